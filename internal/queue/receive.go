package queue

// Received is a record with the receipt that finishes it or hands it back. A
// receipt is good until the record is received again.
type Received struct {
	Record
	Receipt string
}
