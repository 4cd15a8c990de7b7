package queue

import "time"

// minPause is the pause after a record's first error; it doubles with each
// further receive.
const minPause = time.Second

// Pauses tells for each record of a batch that is among its failures, by its
// place in records, how long it is to stay hidden: after an error from a second,
// doubling with each receive, up to longest; as long as an [Again] says; not at
// all if it was not tried. All that is left of a group waits as long as its
// first record does. What is not in the map is done.
func Pauses(records []Record, failures []Failure, longest time.Duration) map[int]time.Duration {
	failed := make(map[string]Failure, len(failures))
	for _, f := range failures {
		failed[f.ID] = f
	}
	pauses := make(map[int]time.Duration, len(failures))
	groups := map[string]time.Duration{}
	for i, r := range records {
		f, ok := failed[r.ID]
		if !ok {
			continue
		}
		if _, ok := groups[r.Group]; !ok {
			groups[r.Group] = pause(r, f, longest)
		}
		pauses[i] = groups[r.Group]
	}
	return pauses
}

func pause(r Record, f Failure, longest time.Duration) time.Duration {
	if _, again := AgainAfter(f.Err); again || f.Err == nil {
		return f.After
	}
	p := minPause
	for n := 1; n < r.Receives && p < longest; n++ {
		p *= 2
	}
	return min(p, longest)
}
