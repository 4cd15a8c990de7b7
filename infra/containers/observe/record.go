package observe

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

// Seen is how often each action of each function was seen.
type Seen map[string]map[string]int

// Record takes down what is seen. It is safe for use by several goroutines.
type Record struct {
	mu   sync.Mutex
	seen Seen
}

// Note is what takes down the actions of one function.
func (r *Record) Note(function string) func(actions []string) {
	return func(actions []string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.seen == nil {
			r.seen = Seen{}
		}
		if r.seen[function] == nil {
			r.seen[function] = map[string]int{}
		}
		for _, a := range actions {
			r.seen[function][a]++
		}
	}
}

// Seen is a copy of what was taken down so far.
func (r *Record) Seen() Seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out Seen
	out.Add(r.seen)
	return out
}

// Add adds what others saw.
func (s *Seen) Add(others Seen) {
	if *s == nil {
		*s = Seen{}
	}
	for function, actions := range others {
		if (*s)[function] == nil {
			(*s)[function] = map[string]int{}
		}
		for action, n := range actions {
			(*s)[function][action] += n
		}
	}
}

// Save writes it to a file, for [Load].
func (s Seen) Save(path string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("observed actions: %w", err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("observed actions: %w", err)
	}
	return nil
}

// Load reads what [Seen.Save] wrote, from several runs together.
func Load(paths ...string) (Seen, error) {
	var all Seen
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("observed actions: %w", err)
		}
		var one Seen
		if err := json.Unmarshal(data, &one); err != nil {
			return nil, fmt.Errorf("observed actions: %s: %w", path, err)
		}
		all.Add(one)
	}
	return all, nil
}
