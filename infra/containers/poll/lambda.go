package poll

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
)

// maxAnswer is the longest answer of a function (a limit of Lambda), and maxTold
// what is told of one that is an error.
const (
	maxAnswer = 6 << 20
	maxTold   = 2000
)

// Lambda calls functions by Lambda's Invoke API, each for one event at a time:
// that is all that one container takes. It is safe for use by several goroutines.
type Lambda struct {
	Base   string // address of the API: scheme and host
	Client *http.Client
	turns  Turns
}

// Invoke calls a function and gives its answer. An error is a call that came to
// nothing or a function that ended with an error; it tells which.
func (l *Lambda) Invoke(ctx context.Context, function string, event []byte) ([]byte, error) {
	done, err := l.turns.Take(ctx, function)
	if err != nil {
		return nil, err
	}
	defer done()
	address := l.Base + "/2015-03-31/functions/" + url.PathEscape(function) + "/invocations"
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(event))
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", function, err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := l.Client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", function, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("function %s: answer: %w", function, err)
	case len(answer) > maxAnswer:
		return nil, fmt.Errorf("function %s: answer is longer than %d bytes", function, maxAnswer)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("function %s: status %d: %.*s", function, resp.StatusCode, maxTold, answer)
	case resp.Header.Get("X-Amz-Function-Error") != "":
		return nil, fmt.Errorf("function %s: ended with an error: %.*s", function, maxTold, answer)
	case len(answer) > 0 && !json.Valid(answer): // SAM tells of a time limit that ran out as if it were an answer
		return nil, fmt.Errorf("function %s: ended with %.*q", function, maxTold, answer)
	}
	return answer, nil
}

// Turns lets one at a time use a function. The zero value is usable; it is safe
// for use by several goroutines.
type Turns struct {
	mu    sync.Mutex
	taken map[string]chan struct{} // by function; holds a token while it is used
}

// Take waits until nobody else uses the function; done lets the next one. An error
// means that ctx ended before.
func (t *Turns) Take(ctx context.Context, function string) (done func(), err error) {
	t.mu.Lock()
	if t.taken == nil {
		t.taken = map[string]chan struct{}{}
	}
	if t.taken[function] == nil {
		t.taken[function] = make(chan struct{}, 1)
	}
	turn := t.taken[function]
	t.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("function %s: %w", function, ctx.Err())
	}
}
