package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// The provider's limits, in characters but for the row id (providers.md 1.9).
const (
	maxText   = 4096
	maxBody   = 1024
	maxRows   = 10
	maxTitle  = 24
	maxAbout  = 72
	maxRowID  = 200 // bytes
	maxButton = 20
	maxHeader = 60
)

var digits = regexp.MustCompile(`^[1-9][0-9]{6,14}$`)

// listMessage is the message of a list.
type listMessage struct {
	Type, Title, Body, Text string
	GlobalButtons           []struct{ Type, Title string }
	Items                   []struct {
		Title   string
		Options []struct{ Type, Title, Description, PostbackText string }
	}
	Content struct{ Type, Text string }
	Options []struct{ Type, Title, PostbackText string }
}

// read takes a send apart and tells what the provider would not accept.
func read(r *http.Request) (sent, []string) {
	f := r.PostForm
	s := sent{App: f.Get("src.name"), To: f.Get("destination"), Path: r.URL.Path, Raw: f.Encode()}
	var problems []string
	expect := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	expect(strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"), "content type %q", r.Header.Get("Content-Type"))
	expect(f.Get("channel") == "whatsapp", "channel %q", f.Get("channel"))
	expect(digits.MatchString(s.To), "destination %q", s.To)
	if strings.HasSuffix(r.URL.Path, "/template/msg") {
		var t struct {
			ID     string
			Params []string
		}
		err := json.Unmarshal([]byte(f.Get("template")), &t)
		expect(err == nil && t.ID != "", "template %q", f.Get("template"))
		for _, param := range t.Params {
			expect(param != "" && !strings.ContainsAny(param, "\n\t"), "parameter %q", param)
		}
		s.Kind, s.Text, s.Params = "template", t.ID, t.Params
		if f.Has("message") {
			var ok bool
			s.File, ok = headerFile(f.Get("message"))
			expect(ok, "file on top %q", f.Get("message"))
		}
		return s, problems
	}
	var m listMessage
	if err := json.Unmarshal([]byte(f.Get("message")), &m); err != nil {
		expect(false, "message %q: %v", f.Get("message"), err)
		return s, problems
	}
	s.Kind = m.Type
	switch m.Type {
	case "text":
		s.Text = m.Text
		expect(m.Text != "" && length(m.Text) <= maxText, "text of %d characters", length(m.Text))
	case "list":
		s.Text = m.Body
		expect(m.Body != "" && length(m.Body) <= maxBody, "body of %d characters", length(m.Body))
		expect(length(m.Title) <= maxHeader, "title of %d characters", length(m.Title))
		expect(len(m.GlobalButtons) == 1 && m.GlobalButtons[0].Title != "" && length(m.GlobalButtons[0].Title) <= maxButton, "button %v", m.GlobalButtons)
		var titles, ids []string
		for _, item := range m.Items {
			for _, o := range item.Options {
				s.Rows = append(s.Rows, row{o.Title, o.PostbackText})
				titles, ids = append(titles, o.Title), append(ids, o.PostbackText)
				expect(o.Title != "" && length(o.Title) <= maxTitle, "row %q", o.Title)
				expect(length(o.Description) <= maxAbout, "row description %q", o.Description)
				expect(o.PostbackText != "" && len(o.PostbackText) <= maxRowID, "row id %q", o.PostbackText)
			}
		}
		expect(len(s.Rows) >= 1 && len(s.Rows) <= maxRows, "%d rows", len(s.Rows))
		expect(distinct(titles), "rows that look alike: %q", titles)
		expect(distinct(ids), "rows with the same id: %q", ids)
	case "quick_reply":
		s.Text = m.Content.Text
		for _, o := range m.Options {
			s.Rows = append(s.Rows, row{o.Title, o.PostbackText})
			expect(o.Title != "" && length(o.Title) <= maxButton, "button %q", o.Title)
		}
		expect(len(m.Options) >= 1 && len(m.Options) <= 3, "%d buttons", len(m.Options))
	default:
		expect(slices.Contains([]string{"image", "file", "audio", "video", "sticker", "location"}, m.Type), "type %q", m.Type)
	}
	return s, problems
}

// headerFile reads the file on top of a template: its id, which ends its link.
func headerFile(message string) (id string, ok bool) {
	var m struct {
		Type                   string
		Image, Video, Document *struct{ ID, Link string }
	}
	if json.Unmarshal([]byte(message), &m) != nil {
		return "", false
	}
	f := m.Image
	switch m.Type {
	case "image":
	case "video":
		f = m.Video
	case "document":
		f = m.Document
	default:
		return "", false
	}
	if f == nil || (f.ID == "") == (f.Link == "") {
		return "", false
	}
	if f.ID != "" {
		return f.ID, true
	}
	return path.Base(f.Link), true
}

func length(s string) int { return utf8.RuneCountInString(s) }

func distinct(words []string) bool {
	seen := map[string]bool{}
	for _, w := range words {
		if seen[w] {
			return false
		}
		seen[w] = true
	}
	return true
}
