package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// phone stands in for the provider: it takes every message and remembers what a
// person would see of it. It is an http.RoundTripper.
type phone struct {
	mu    sync.Mutex
	sends []sent
}

// sent is a message as it came to a person.
type sent struct {
	id   string // the provider's
	text string
	rows []row
}

// row is one of a list.
type row struct{ title, id string }

func (p *phone) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return nil, err
	}
	var m struct {
		Text  string `json:"text"`
		Body  string `json:"body"`
		Items []struct {
			Options []struct {
				Title        string `json:"title"`
				PostbackText string `json:"postbackText"`
			} `json:"options"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(form.Get("message")), &m); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := sent{id: fmt.Sprintf("4fd4c3b1-6c5c-4b0a-8d8a-%012d", len(p.sends)), text: m.Text + m.Body}
	for _, item := range m.Items {
		for _, o := range item.Options {
			s.rows = append(s.rows, row{o.Title, o.PostbackText})
		}
	}
	p.sends = append(p.sends, s)
	answer := fmt.Sprintf(`{"status":"submitted","messageId":%q}`, s.id)
	return &http.Response{
		StatusCode: http.StatusAccepted, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(answer)),
	}, nil
}

// since are the messages after the first so many.
func (p *phone) since(n int) []sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]sent(nil), p.sends[n:]...)
}

var formLink = regexp.MustCompile(`/c/[A-Za-z0-9_-]+`)
