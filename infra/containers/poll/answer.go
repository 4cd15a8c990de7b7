package poll

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// failures reads which of the records a function could not finish. Nothing, null
// or an empty list is success. Whatever AWS takes for a failure of the whole batch
// is an error: no JSON, an entry without an id, with an empty or an unknown one
// (AWS Lambda Developer Guide, "Handling errors for an SQS event source").
func failures(answer []byte, ids []string) (map[string]bool, error) {
	failed := map[string]bool{}
	if len(bytes.TrimSpace(answer)) == 0 {
		return failed, nil
	}
	// Maps, since names of fields of a struct would match in any case.
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(answer, &whole); err != nil {
		return nil, fmt.Errorf("answer cannot be read: %w", err)
	}
	list, given := whole["batchItemFailures"]
	if !given {
		return failed, nil
	}
	var items []map[string]json.RawMessage
	if err := json.Unmarshal(list, &items); err != nil {
		return nil, fmt.Errorf("answer: batchItemFailures cannot be read: %w", err)
	}
	for i, item := range items {
		var id string
		if err := json.Unmarshal(item["itemIdentifier"], &id); err != nil || id == "" {
			return nil, fmt.Errorf("answer: failure %d has no itemIdentifier", i+1)
		}
		if !slices.Contains(ids, id) {
			return nil, fmt.Errorf("answer: itemIdentifier %q is not of this batch", id)
		}
		failed[id] = true
	}
	return failed, nil
}
