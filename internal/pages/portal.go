package pages

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"buzon/internal/fault"
	"buzon/internal/link"
	"buzon/internal/locale"
	"buzon/internal/store"
	"buzon/internal/web"
)

// Portal serves the public pages of all companies. Its fields are set before
// Routes and not changed after.
type Portal struct {
	Store *store.Store
	Keys  *link.Keys
	Now   func() time.Time
	NewID func() string // [0-9a-z], unique
	// PublicURL is what the links shown to people begin with, "https://host";
	// empty: what the request itself was sent to.
	PublicURL func() string
	Log       *slog.Logger
	Limits    Limits

	buckets buckets
}

// Routes adds the portal to a mux. Its patterns name no method, since other
// methods are answered with a page as well; so the mux must not hold "GET /",
// which overlaps them ("GET /{$}" does not).
func (p *Portal) Routes(mux *http.ServeMux) {
	locale.Load()
	mux.Handle("/c/{form}", p.serve(map[string]handler{"GET": p.showForm, "POST": p.postForm}))
	mux.Handle("/t/{tracking}", p.serve(map[string]handler{"GET": p.showCase}))
	mux.Handle("/t/{tracking}/messages", p.serve(map[string]handler{"POST": p.postMessage}))
	mux.Handle("/t/{tracking}/record.txt", p.serve(map[string]handler{"GET": p.showRecord}))
	mux.Handle("/c/", p.serve(map[string]handler{"GET": missing, "POST": missing}))
	mux.Handle("/t/", p.serve(map[string]handler{"GET": missing, "POST": missing}))
	mux.Handle("/assets/{file}", http.HandlerFunc(p.asset))
}

// handler answers one kind of request. An error becomes the page that refuse
// gives it.
type handler func(v *visit) (answer, error)

// missing is what is at no address.
func missing(*visit) (answer, error) { return answer{}, fault.NotFound }

// visit is one request.
type visit struct {
	ctx  context.Context
	r    *http.Request
	id   string // for support
	now  time.Time
	lang string // chosen in the address or the form; empty: not chosen
	// shown is the language of the form or case; empty: none was found yet.
	shown string
	// company is whose page it is; its zero value on pages that belong to nobody.
	company store.Company
	name    string // of the company
}

// answer is a whole response.
type answer struct {
	status   int
	location string // of a 303
	retry    time.Duration
	template string
	page     any
	text     string // instead of a template: a file to save under this name
	file     string
}

// refusal is an error that was written for its reader: the page of its status.
type refusal struct {
	status int
	retry  time.Duration // Retry-After
	kept   string        // what the person had written, shown to be copied
	hint   string        // key of a sentence in place of the usual one
	cause  error         // of a status that nobody expected, for the log
}

func (e *refusal) Error() string {
	return fmt.Sprintf("answered %d: %v", e.status, e.cause)
}

// refuse turns any error into a refusal.
func refuse(err error, kept string) *refusal {
	var r *refusal
	switch {
	case errors.As(err, &r):
		return r
	case errors.Is(err, fault.NotFound):
		return &refusal{status: http.StatusNotFound}
	case errors.Is(err, fault.Busy), errors.Is(err, fault.Conflict):
		return &refusal{status: http.StatusServiceUnavailable, retry: retryAfter, kept: kept, cause: err}
	}
	return &refusal{status: http.StatusInternalServerError, kept: kept, cause: err}
}

const (
	// retryAfter is what a refusal for the moment asks for.
	retryAfter = 5 * time.Second
	// maxTries bounds how often one request reads and writes again when somebody
	// else was quicker or the outcome of its write is unknown.
	maxTries = 6
)

const securityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// headers are set on every answer, whatever its status (T39, T49).
func (p *Portal) headers(h http.Header, base string) {
	h.Set("Content-Security-Policy", securityPolicy)
	h.Set("Cache-Control", "no-store")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	if strings.HasPrefix(base, "https://") {
		h.Set("Strict-Transport-Security", "max-age=63072000")
	}
}

// serve is what all pages have in common. HEAD is GET without the body.
func (p *Portal) serve(methods map[string]handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.headers(w.Header(), p.base(r))
		v := &visit{ctx: r.Context(), r: r, now: p.Now().UTC(), id: w.Header().Get("X-Request-Id")}
		if v.id == "" {
			v.id = p.NewID()
			w.Header().Set("X-Request-Id", v.id)
		}
		v.choose(r.URL.Query().Get("lang"))
		a, err := p.answer(v, methods, w)
		if err != nil {
			a = p.errorPage(v, err)
		}
		p.write(w, v, a)
	})
}

func (p *Portal) answer(v *visit, methods map[string]handler, w http.ResponseWriter) (answer, error) {
	if wait, ok := p.buckets.take(v.now, v.r.RemoteAddr, p.Limits.PerMinute); !ok {
		return answer{}, &refusal{status: http.StatusTooManyRequests, retry: wait}
	}
	method := v.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	h, ok := methods[method]
	if !ok {
		w.Header().Set("Allow", allowed(methods))
		return answer{}, &refusal{status: http.StatusMethodNotAllowed}
	}
	return h(v)
}

func allowed(methods map[string]handler) string {
	var names []string
	for _, m := range []string{"GET", "HEAD", "POST"} {
		if methods[m] != nil || m == "HEAD" && methods["GET"] != nil {
			names = append(names, m)
		}
	}
	return strings.Join(names, ", ")
}

// enter opens the company that a secret names; fault.NotFound if it is not of
// our shape. Nothing is shown of the company before the secret was found, so that
// all misses are the same page (T38).
func (p *Portal) enter(secret string) (store.Company, error) {
	tenant, ok := link.Tenant(secret)
	if !ok {
		return store.Company{}, fault.NotFound
	}
	return p.Store.In(tenant), nil
}

// show makes it a page of the company.
func (v *visit) show(c store.Company) error {
	self, err := c.Self(v.ctx)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return err
	}
	v.company, v.name = c, self.Name
	return nil
}

// choose takes the language if it is one of ours.
func (v *visit) choose(lang string) {
	if locale.For(lang) != nil {
		v.lang = lang
	}
}

// text is the catalogue of this visit: the chosen language, else that of what is
// shown, else what the browser asks for.
func (v *visit) text() *locale.Locale {
	if v.lang != "" {
		return locale.For(v.lang)
	}
	if l := locale.For(v.shown); l != nil {
		return l
	}
	return locale.For(locale.Match(v.r.Header.Get("Accept-Language"), ""))
}

// keeping is the error of a read that failed before a posted text could be
// stored: its page shows the text, to be copied.
func (v *visit) keeping(err error) error {
	if errors.Is(err, fault.NotFound) {
		return err
	}
	posted, bad := readFields(v.r)
	if bad != nil {
		return err
	}
	var parts []string
	for _, name := range []string{fieldTitle, fieldDescription, fieldContact, fieldText} {
		clean, _ := paragraphs(posted[name])
		parts = append(parts, clean)
	}
	return refuse(err, joinParts(parts...))
}

// currentKey is the id of the key that tracking secrets are made with now.
func (p *Portal) currentKey(ctx context.Context) (string, error) {
	id, err := p.Keys.Current(ctx)
	return id, ownFault(err)
}

// tracking is the tracking secret of a form.
func (p *Portal) tracking(ctx context.Context, tenant, keyID, formSecret string) (string, error) {
	s, err := p.Keys.Tracking(ctx, tenant, keyID, formSecret)
	return s, ownFault(err)
}

// ownFault keeps a key that is not there from looking like a link that leads
// nowhere.
func ownFault(err error) error {
	if errors.Is(err, fault.NotFound) {
		return errors.New(err.Error())
	}
	return err
}

// base is the address that links for people begin with.
func (p *Portal) base(r *http.Request) string { return web.Base(p.PublicURL(), r) }

// retryable tells whether reading again and trying once more may help: somebody
// was quicker, or it was refused for the moment, or the outcome is unknown.
func retryable(ctx context.Context, err error) bool {
	return ctx.Err() == nil && !errors.Is(err, fault.Invalid) && !errors.Is(err, fault.Forbidden)
}

// errorPage turns an error into its page and logs what nobody expected.
func (p *Portal) errorPage(v *visit, err error) answer {
	r := refuse(err, "")
	if r.cause != nil {
		p.complain(v, r.cause)
	}
	return answer{status: r.status, retry: r.retry, template: "error", page: p.errorView(v, r)}
}

// complain logs an error of a visit, under its route: the path is a secret (T12).
func (p *Portal) complain(v *visit, err error) {
	p.Log.ErrorContext(v.ctx, "page", "route", v.r.Pattern, "request_id", v.id, "error", err)
}

// write sends the answer.
func (p *Portal) write(w http.ResponseWriter, v *visit, a answer) {
	h := w.Header()
	if a.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int((a.retry+time.Second-1)/time.Second)))
	}
	var body []byte
	switch {
	case a.location != "":
		h.Set("Location", a.location)
		a.status = http.StatusSeeOther
	case a.file != "":
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Content-Disposition", `attachment; filename="`+a.file+`"`)
		body = []byte(a.text)
	default:
		h.Set("Content-Type", "text/html; charset=utf-8")
		var err error
		if body, err = render(a.template, a.page); err != nil {
			p.complain(v, err)
			h.Set("Content-Type", "text/plain; charset=utf-8")
			a.status, body = http.StatusInternalServerError, []byte("Error "+v.id+"\n")
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.status)
	if v.r.Method != http.MethodHead {
		_, _ = w.Write(body) // nobody is left to tell
	}
}
