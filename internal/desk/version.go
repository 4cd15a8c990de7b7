package desk

// Versioned is embedded in what is stored as an item of its own.
type Versioned struct {
	// Version is the stored version that was read; 0: never stored. Writes are
	// made at it, and it is what If-Match compares.
	Version int64 `json:"-"`
}

// SetVersion is for the store.
func (v *Versioned) SetVersion(n int64) { v.Version = n }

// StoredVersion is for the store.
func (v *Versioned) StoredVersion() int64 { return v.Version }
