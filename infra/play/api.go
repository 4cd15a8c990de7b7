package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// maxAnswer is the most that is read of an answer.
const maxAnswer = 4 << 20

// post posts a body and gives status and body of the answer.
func (s *system) post(ctx context.Context, address, contentType, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", contentType)
	status, _, text, err := s.do(req)
	return status, text, err
}

// get gets a page.
func (s *system) get(ctx context.Context, address string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, "", err
	}
	status, _, text, err := s.do(req)
	return status, text, err
}

func (s *system) do(req *http.Request) (int, http.Header, string, error) {
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, resp.Header, string(b), err
}

// api calls the JSON API as the demo's admin and reads the answer into out; any
// status but a 2xx is an error.
func (p *play) api(ctx context.Context, method, path string, in, out any) error {
	return p.apiAs(ctx, p.demo.AdminToken, method, path, in, out)
}

func (p *play) apiAs(ctx context.Context, token, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		body = bytes.NewReader(encode(in))
	}
	req, err := http.NewRequestWithContext(ctx, method, p.demo.BaseURL+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	status, _, text, err := p.do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if status < 200 || status > 299 {
		return fmt.Errorf("%s %s: %d %s", method, path, status, text)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal([]byte(text), out); err != nil {
		return fmt.Errorf("%s %s: %w in %s", method, path, err, text)
	}
	return nil
}

// listed reads a whole list of the API, page by page.
func listed[T any](ctx context.Context, p *play, path string) ([]T, error) {
	return listedAs[T](ctx, p, p.demo.AdminToken, path)
}

// listedAs reads it as somebody else.
func listedAs[T any](ctx context.Context, p *play, token, path string) ([]T, error) {
	var all []T
	cursor := ""
	for range 1000 {
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next_cursor"`
		}
		join := "?"
		if strings.Contains(path, "?") {
			join = "&"
		}
		if err := p.apiAs(ctx, token, http.MethodGet, path+join+"limit=100&cursor="+url.QueryEscape(cursor), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, nil
		}
		cursor = page.Next
	}
	return nil, fmt.Errorf("%s: a list without an end", path)
}

// message is a message of a conversation as the API shows it.
type message struct {
	ID         string `json:"id"`
	Direction  string `json:"direction"`
	Type       string `json:"type"`
	Text       string `json:"text"`
	Status     string `json:"status"`
	Reason     string `json:"reason"`
	ProviderID string `json:"provider_id"`
}

// conversations gives the conversations of a channel by number.
func (p *play) conversations(ctx context.Context, l line) (map[string]string, error) {
	all, err := listedAs[struct{ ID, Person string }](ctx, p, l.admin(p), "/v1/conversations?channel="+url.QueryEscape(l.ID))
	if err != nil {
		return nil, err
	}
	byNumber := map[string]string{}
	for _, c := range all {
		if byNumber[c.Person] != "" {
			return nil, fmt.Errorf("two conversations of %s", c.Person)
		}
		byNumber[c.Person] = c.ID
	}
	return byNumber, nil
}

// messagesOf are the messages of a conversation, oldest first.
func (p *play) messagesOf(ctx context.Context, l line, conversation string) ([]message, error) {
	return listedAs[message](ctx, p, l.admin(p), "/v1/conversations/"+url.PathEscape(conversation)+"/messages")
}

// conversation is the id of the person's.
func (x *person) conversation() (string, error) {
	all, err := x.p.conversations(x.ctx, x.line)
	if err == nil && all[x.number] == "" {
		err = fmt.Errorf("no conversation of %s among %d", x.number, len(all))
	}
	return all[x.number], err
}

// messages are those of the person's conversation.
func (x *person) messages() ([]message, error) {
	id, err := x.conversation()
	if err != nil {
		return nil, err
	}
	return x.p.messagesOf(x.ctx, x.line, id)
}

// advance moves the run's clock forward.
func (p *play) advance(ctx context.Context, d time.Duration) error {
	status, text, err := p.post(ctx, p.demo.BaseURL+"/simulator/clock", "application/json", string(encode(object{"advance": d.String()})))
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("clock: %d %s", status, text)
	}
	return nil
}

// now is the run's time.
func (p *play) now(ctx context.Context) (time.Time, error) {
	status, text, err := p.get(ctx, p.demo.BaseURL+"/simulator/clock")
	if err != nil {
		return time.Time{}, err
	}
	var clock struct{ Now time.Time }
	if err := json.Unmarshal([]byte(text), &clock); err != nil || status != http.StatusOK {
		return time.Time{}, fmt.Errorf("clock: %d %s", status, text)
	}
	return clock.Now, nil
}

var (
	hiddenInput   = regexp.MustCompile(`<input[^>]*type="?hidden"?[^>]*>`)
	inputName     = regexp.MustCompile(`\bname="?([^"\s>]+)`)
	inputValue    = regexp.MustCompile(`\bvalue="([^"]*)"`)
	trackingInput = regexp.MustCompile(`<input[^>]*\bname="?tracking_link\b[^>]*>`)
)

// openForm gets a form's page and gives its hidden inputs.
func (p *play) openForm(ctx context.Context, link string) (url.Values, error) {
	status, page, err := p.get(ctx, link)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("form: %d", status)
	}
	fields := url.Values{}
	for _, input := range hiddenInput.FindAllString(page, -1) {
		name, value := inputName.FindStringSubmatch(input), inputValue.FindStringSubmatch(input)
		if name != nil {
			if value == nil {
				value = []string{"", ""}
			}
			fields.Set(html.UnescapeString(name[1]), html.UnescapeString(value[1]))
		}
	}
	return fields, nil
}

// submit posts the form and gives the tracking page's address from the 303.
func (p *play) submit(ctx context.Context, link string, fields url.Values, title, description string) (string, error) {
	f := url.Values{}
	for k, v := range fields {
		f[k] = v
	}
	f.Set("title", title)
	f.Set("description", description)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, link, strings.NewReader(f.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, header, text, err := p.do(req)
	if err != nil {
		return "", err
	}
	to := header.Get("Location")
	if status != http.StatusSeeOther || !strings.HasSuffix(to, "?created=1") || !strings.Contains(to, "/t/") {
		return "", fmt.Errorf("form posted: %d to %q %.200s", status, to, text)
	}
	at, err := url.Parse(link)
	if err != nil {
		return "", err
	}
	ref, err := at.Parse(to)
	if err != nil {
		return "", err
	}
	return ref.String(), nil
}

// track opens a tracking page, expects the words on it, and gives the address
// that it tells the person to keep.
func (p *play) track(ctx context.Context, address string, words ...string) (string, error) {
	status, page, err := p.get(ctx, address)
	if err != nil {
		return "", err
	}
	if status != http.StatusOK {
		return "", fmt.Errorf("tracking page: %d", status)
	}
	text := html.UnescapeString(page)
	for _, w := range words {
		if !strings.Contains(text, w) {
			return "", fmt.Errorf("tracking page does not say %q", w)
		}
	}
	input := trackingInput.FindString(page)
	value := inputValue.FindStringSubmatch(input)
	if value == nil || !strings.Contains(input, "readonly") {
		return "", fmt.Errorf("tracking page has no link to keep: %q", input)
	}
	kept := html.UnescapeString(value[1])
	if kept != strings.TrimSuffix(address, "?created=1") {
		return "", fmt.Errorf("link to keep is %s, the page is %s", kept, address)
	}
	return kept, nil
}

// cases counts the cases that a search finds.
func (p *play) cases(ctx context.Context, words string) (int, error) {
	found, err := listed[struct{ ID, Title string }](ctx, p, "/v1/cases?q="+url.QueryEscape(words))
	return len(found), err
}
