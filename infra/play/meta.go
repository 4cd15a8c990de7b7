package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	providerMeta    = "meta"
	signatureHeader = "X-Hub-Signature-256"
	metaVersion     = "/v25.0/"
)

// meta stands in for Meta's Cloud API: numbers, the templates of their accounts and
// files (providers.md 2.5).
type meta struct {
	*outbox
	server   *http.Server
	listener net.Listener

	mu         sync.Mutex
	accounts   []*account
	violations []string
}

func startMeta(call time.Duration, out *outbox) (*meta, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("stand-in: %w", err)
	}
	m := &meta{outbox: out, listener: l}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+metaVersion+"{id}", m.number)
	mux.HandleFunc("POST "+metaVersion+"{id}/messages", m.take)
	mux.HandleFunc("GET "+metaVersion+"{id}/message_templates", m.list)
	mux.HandleFunc("POST "+metaVersion+"{id}/message_templates", m.submit)
	mux.HandleFunc("POST "+metaVersion+"{id}/media", m.upload)
	mux.HandleFunc("POST "+metaVersion+"app/uploads", m.session)
	mux.HandleFunc("POST "+metaVersion+"{session}", m.sample)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		m.violate("%s %s is not a path that is documented", r.Method, r.URL.Path)
		http.NotFound(w, r)
	})
	m.server = &http.Server{Handler: mux, ReadHeaderTimeout: call}
	go func() { _ = m.server.Serve(l) }() // ends with close
	return m, nil
}

func (m *meta) address() string { return "http://" + m.listener.Addr().String() }

func (m *meta) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = m.server.Shutdown(ctx) // what is still open ends with this process
}

func (m *meta) violate(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.violations = append(m.violations, fmt.Sprintf(format, args...))
}

// know learns of a number.
func (m *meta) know(l line) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.accounts = append(m.accounts, &account{line: l, key: l.Token, old: map[string]bool{}, files: map[string]file{}, calls: map[string]int{}})
}

// account is that of a number, by Meta's id of it.
func (m *meta) account(number string) *account {
	return m.find(func(l line) bool { return l.PhoneID == number })
}

func (m *meta) find(fits func(line) bool) *account {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.IndexFunc(m.accounts, func(a *account) bool { return fits(a.line) }); i >= 0 {
		return m.accounts[i]
	}
	return nil
}

// metaError is an error as the Graph API tells it.
func metaError(code int, words string) object {
	return object{"error": object{"message": words, "type": "OAuthException", "code": code, "error_subcode": 0, "fbtrace_id": "A"}}
}

// allowed finds the account that fits and checks the token; nil: it has answered.
func (m *meta) allowed(w http.ResponseWriter, r *http.Request, fits func(line) bool) *account {
	a := m.find(fits)
	token := r.Header.Get("Authorization")
	if a == nil || !a.takes(token[strings.IndexByte(token, ' ')+1:]) {
		answer(w, http.StatusUnauthorized, metaError(190, "Error validating access token"))
		return nil
	}
	return a
}

// owner finds the account whose token it is, for paths that name none.
func (m *meta) owner(w http.ResponseWriter, r *http.Request) *account {
	token := r.Header.Get("Authorization")
	return m.allowed(w, r, func(l line) bool { return l.Token == token[strings.IndexByte(token, ' ')+1:] })
}

func byNumber(r *http.Request) func(line) bool {
	return func(l line) bool { return l.PhoneID == r.PathValue("id") }
}

func byAccount(r *http.Request) func(line) bool {
	return func(l line) bool { return l.Account == r.PathValue("id") }
}

// number answers what a number is: the cheapest question there is.
func (m *meta) number(w http.ResponseWriter, r *http.Request) {
	if a := m.allowed(w, r, byNumber(r)); a != nil {
		meetMeta(w, a.meets(call{kind: "check"}), func() (int, any) { return http.StatusOK, object{"id": a.line.PhoneID} })
	}
}

// meetMeta is meet with errors as Meta tells them.
func meetMeta(w http.ResponseWriter, o outcome, take func() (int, any)) bool {
	status, body := 0, object(nil)
	switch o {
	case throttle:
		status, body = http.StatusBadRequest, metaError(130429, "Rate limit hit")
	case fail:
		status, body = http.StatusInternalServerError, metaError(131000, "Something went wrong")
	case forbid:
		status, body = http.StatusUnauthorized, metaError(190, "Error validating access token")
	case decline:
		status, body = http.StatusBadRequest, metaError(131026, "Message undeliverable")
	case empty:
		status, body = http.StatusBadRequest, metaError(131042, "Business eligibility payment issue")
	default:
		return meet(w, o, take)
	}
	answer(w, status, body)
	return false
}

// take takes a message.
func (m *meta) take(w http.ResponseWriter, r *http.Request) {
	a := m.allowed(w, r, byNumber(r))
	if a == nil {
		return
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
	s, problems := readMeta(raw)
	s.App, s.Path = a.line.PhoneID, r.URL.Path
	if err == nil && s.Kind == "template" {
		problems = append(problems, a.sendable(s)...)
	}
	if err != nil || len(problems) > 0 {
		m.violate("send to %s: %v %s\n%s", s.To, err, strings.Join(problems, "; "), raw)
	}
	meetMeta(w, a.meets(call{kind: "send"}), func() (int, any) {
		s = m.keep(s, "wamid.META")
		contact := object{"input": s.To, "wa_id": s.To}
		if strings.Contains(s.To, ".") {
			contact = object{"input": s.To, "user_id": s.To}
		}
		return http.StatusOK, object{
			"messaging_product": "whatsapp", "contacts": []any{contact},
			"messages": []any{object{"id": s.ID, "message_status": "accepted"}},
		}
	})
}

// list answers a page of the list of templates; a cursor is where it begins.
func (m *meta) list(w http.ResponseWriter, r *http.Request) {
	a := m.allowed(w, r, byAccount(r))
	if a == nil {
		return
	}
	q := r.URL.Query()
	size, err := strconv.Atoi(q.Get("limit"))
	from := 0
	if after := q.Get("after"); after != "" && err == nil {
		from, err = strconv.Atoi(strings.TrimPrefix(after, "CURSOR"))
	}
	if err != nil || size < 1 {
		m.violate("list of templates: %s", r.URL.RawQuery)
		answer(w, http.StatusBadRequest, metaError(100, "Invalid parameter"))
		return
	}
	meetMeta(w, a.meets(call{kind: "list", page: from / size}), func() (int, any) {
		items := []any{}
		list, more := a.page(from, size)
		for _, t := range list {
			o := object{"id": t.ID, "name": t.Name, "language": t.Language, "category": t.Category, "status": t.State}
			if t.Reason != "" {
				o["rejected_reason"] = t.Reason
			}
			if t.Quality != "" {
				o["quality_score"] = object{"score": t.Quality}
			}
			if t.Components != "" && strings.Contains(q.Get("fields"), "components") {
				o["components"] = json.RawMessage(t.Components)
			}
			items = append(items, o)
		}
		paging := object{"cursors": object{"before": "CURSOR" + strconv.Itoa(from), "after": "CURSOR" + strconv.Itoa(from+len(list))}}
		if more {
			paging["next"] = "https://graph.example.com/next"
		}
		return http.StatusOK, object{"data": items, "paging": paging}
	})
}

// submit takes the request of a template.
func (m *meta) submit(w http.ResponseWriter, r *http.Request) {
	a := m.allowed(w, r, byAccount(r))
	if a == nil {
		return
	}
	var body object
	err := json.NewDecoder(io.LimitReader(r.Body, maxAnswer)).Decode(&body)
	text := func(key string) string { s, _ := body[key].(string); return s }
	if _, isList := body["components"].([]any); err != nil || text("name") == "" || text("language") == "" || !isList || !slices.Contains(categories, text("category")) {
		m.violate("template: %v %v", err, body)
		answer(w, http.StatusBadRequest, metaError(100, "Invalid parameter"))
		return
	}
	meetMeta(w, a.meets(call{kind: "submit", name: text("name")}), func() (int, any) {
		id := m.outbox.number()
		t := theirs{ID: id, Name: text("name"), Language: text("language"), Category: text("category"), Components: string(encode(body["components"]))}
		if !a.accept(asked{ID: id, Name: t.Name, JSON: body}, t) {
			e := metaError(100, "Invalid parameter")
			e["error"].(object)["error_subcode"] = 2388024
			return http.StatusBadRequest, e
		}
		return http.StatusOK, object{"id": id, "status": "PENDING", "category": t.Category}
	})
}

// upload takes a file that is to be sent.
func (m *meta) upload(w http.ResponseWriter, r *http.Request) {
	a := m.allowed(w, r, byNumber(r))
	if a == nil {
		return
	}
	f, err := readFile(r)
	if err != nil || r.FormValue("messaging_product") != "whatsapp" {
		m.violate("upload: %v", err)
	}
	meetMeta(w, a.meets(call{kind: "upload"}), func() (int, any) {
		f.ID = m.outbox.number()
		a.store(f)
		return http.StatusOK, object{"id": f.ID}
	})
}

// session and sample take the sample file of a template in two steps.
func (m *meta) session(w http.ResponseWriter, r *http.Request) {
	if a := m.owner(w, r); a != nil {
		meetMeta(w, a.meets(call{kind: "upload"}), func() (int, any) {
			id := "upload:" + m.outbox.number()
			a.store(file{ID: id, Name: r.URL.Query().Get("file_name"), Type: r.URL.Query().Get("file_type")})
			return http.StatusOK, object{"id": id}
		})
	}
}

func (m *meta) sample(w http.ResponseWriter, r *http.Request) {
	a := m.owner(w, r)
	if a == nil {
		return
	}
	f, ok := a.file(r.PathValue("session"))
	n, err := io.Copy(io.Discard, io.LimitReader(r.Body, maxFile))
	if !ok || err != nil || n == 0 || r.Header.Get("file_offset") != "0" {
		m.violate("sample: session %q, %d bytes, %v", r.PathValue("session"), n, err)
	}
	f.ID, f.Size = "4::"+m.outbox.number(), int(n)
	a.store(f)
	answer(w, http.StatusOK, object{"h": f.ID})
}

// signature is what Meta puts beside a body.
func signature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// metaBody is a body with one change.
func metaBody(value object, l line) []byte { return metaEntries(metaEntry("messages", value, l)) }

func metaEntry(field string, value object, l line) object {
	return object{"id": l.Account, "time": time.Now().Unix(), "changes": []any{object{"field": field, "value": value}}}
}

func metaEntries(entries ...any) []byte {
	return encode(object{"object": "whatsapp_business_account", "entry": entries})
}

// postSigned posts a body to a channel's webhook, with its signature if the provider
// signs.
func (p *play) postSigned(ctx context.Context, l line, body []byte) (int, string, error) {
	status, _, text, err := p.postWith(ctx, l.WebhookURL, body, l.Secret)
	return status, text, err
}

// postWith posts a body signed with a secret; empty: not signed.
func (p *play) postWith(ctx context.Context, address string, body []byte, secret string) (int, http.Header, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(string(body)))
	if err != nil {
		return 0, nil, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	if secret != "" {
		req.Header.Set(signatureHeader, signature(secret, body))
	}
	return p.do(req)
}
