package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/locale"
	"buzon/internal/store"
	"buzon/internal/web"
)

// call is one request after its caller is known.
type call struct {
	*API
	w       http.ResponseWriter
	r       *http.Request
	company store.Company   // the caller's; nothing else is within reach
	me      desk.Specialist // who holds the token
	token   desk.Token
}

func (c *call) ctx() context.Context { return c.r.Context() }

// serve is the one gate to every route (T16): it knows the caller and their
// role before the handler runs, and answers every error.
func (a *API) serve(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := &call{API: a, w: w, r: r}
		err := c.enter(rt.role)
		if err == nil {
			err = rt.handle(c)
		}
		if err != nil {
			web.Fail(w, r, err)
		}
	}
}

// enter lets the caller in: any holder of a valid token who has the role. An
// admin has every role.
func (c *call) enter(role string) error {
	if role == anybody {
		return nil
	}
	if err := c.authenticate(); err != nil {
		return err
	}
	if !c.me.Has(role) && !c.me.Has(desk.RoleAdmin) {
		return fmt.Errorf("specialist %s: not %s: %w", c.me.ID, role, fault.Forbidden)
	}
	return nil
}

// unauthenticated is the one answer to no token, a damaged, unknown, expired or
// revoked one, and one whose holder is inactive or gone.
func unauthenticated() error {
	return &web.Refused{Status: http.StatusUnauthorized, Code: "unauthenticated"}
}

// authenticate reads the token and its holder strongly at every call: what is
// revoked is refused at once (T44, R13).
func (c *call) authenticate() error {
	headers := c.r.Header.Values("Authorization")
	if len(headers) != 1 {
		return unauthenticated()
	}
	scheme, value, _ := strings.Cut(headers[0], " ")
	tenant, id, ok := parseToken(strings.TrimSpace(value))
	if !strings.EqualFold(scheme, "Bearer") || !ok {
		return unauthenticated()
	}
	c.company = c.Store.In(tenant)
	var err error
	if c.token, err = c.company.Token(c.ctx(), id); err != nil {
		return unknownIsUnauthenticated(err)
	}
	if !isValue(c.token, strings.TrimSpace(value)) || !c.token.RevokedAt.IsZero() || !c.Now().Before(c.token.ExpiresAt) {
		return unauthenticated()
	}
	if c.me, err = c.company.Specialist(c.ctx(), c.token.Specialist); err != nil {
		return unknownIsUnauthenticated(err)
	}
	if !c.me.Active {
		return unauthenticated()
	}
	return nil
}

func unknownIsUnauthenticated(err error) error {
	if errors.Is(err, fault.NotFound) {
		return unauthenticated()
	}
	return err
}

// id is an id in the path; one that no resource can have is not found.
func (c *call) id(name string) (string, error) {
	id := c.r.PathValue(name)
	if !validID(id) {
		return "", fmt.Errorf("%s: %w", name, fault.NotFound)
	}
	return id, nil
}

// maxID is the longest id of anything.
const maxID = 80

// validID tells whether a text can be the id of anything: 1 to 80 of
// [0-9A-Za-z_-]. Other characters never reach a key of the table.
func validID(id string) bool {
	for _, c := range id {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return id != "" && len(id) <= maxID
}

// ok answers with a resource and its version; 0: it has none.
func (c *call) ok(version int64, body any) error {
	if version > 0 {
		c.w.Header().Set("ETag", etag(version))
	}
	web.JSON(c.w, http.StatusOK, body)
	return nil
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// words are the texts in the caller's language.
func (c *call) words() *locale.Locale {
	return locale.For(locale.Match(c.r.Header.Get("Accept-Language"), ""))
}

// stateWord is what people call the state of a template or a case in the caller's
// language. A provider's word that we do not know stays as it came.
func (c *call) stateWord(state string) string {
	const family = "state."
	if words := c.words(); words.Has(family + state) {
		return words.Text(family + state)
	}
	return state
}

// later logs what went wrong behind an answer that stands: a timer does again what
// was left.
func (c *call) later(what string, err error) {
	if err != nil && c.Log != nil {
		c.Log.ErrorContext(c.ctx(), what, "request_id", web.RequestID(c.r), "error", err.Error())
	}
}
