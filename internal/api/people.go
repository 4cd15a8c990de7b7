package api

import (
	"net/http"
	"net/mail"
	"strings"
	"time"
	"unicode"

	"buzon/internal/desk"
	"buzon/internal/store"
	"buzon/internal/web"
)

// Limits of what is kept of people.
const (
	MaxEmail     = 254 // RFC 5321, 4.5.3.1.3
	MaxProjects  = 100 // of a client
	minPhone     = 8   // digits, the country code among them
	maxPhone     = 15  // E.164
	maxPhoneText = 40  // as it is written
)

// normalPhone is the digits of a phone number with its country code: without
// "+", spaces, dashes, parentheses and a leading 00. False if what is left is no
// such number.
func normalPhone(text string) (string, bool) { return normalNumber(text, minPhone) }

// normalNumber is likewise for a number of so many digits at least.
func normalNumber(text string, least int) (string, bool) {
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune("+ -()", r) {
			return -1
		}
		return r
	}, text)
	digits = strings.TrimPrefix(digits, "00")
	if plus := strings.LastIndexByte(text, '+'); plus > 0 && strings.ContainsAny(text[:plus], "+0123456789") {
		return "", false
	}
	if len(digits) < least || len(digits) > maxPhone || digits[0] == '0' {
		return "", false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return "", false
		}
	}
	return digits, true
}

func readPhone(o *web.Object, v *string) {
	was := *v
	o.Text("phone", v, web.Text{Max: maxPhoneText})
	if *v == "" || *v == was {
		return
	}
	digits, ok := normalPhone(*v)
	if !ok {
		o.Add("phone", "invalid_phone")
		return
	}
	*v = digits
}

func readEmail(o *web.Object, v *string, required bool) {
	o.Text("email", v, web.Text{Required: required, Max: MaxEmail, Check: func(s string) string {
		a, err := mail.ParseAddress(s)
		if err != nil || a.Address != s || !strings.Contains(s[strings.LastIndexByte(s, '@'):], ".") {
			return "invalid_email"
		}
		return ""
	}})
}

func readUserName(o *web.Object, v *string) {
	o.Text("user_name", v, web.Text{Required: true, Max: desk.MaxName, Check: func(s string) string {
		if strings.ContainsFunc(s, unicode.IsSpace) {
			return "invalid"
		}
		return ""
	}})
}

var clients = resource[desk.Client, *desk.Client]{
	path: "/v1/clients/",
	id:   func(v desk.Client) string { return v.ID },
	load: func(c *call, id string) (desk.Client, error) { return c.company.Client(c.ctx(), id) },
	save: func(c *call, was, v desk.Client, also store.Also) error {
		return c.company.SaveClient(c.ctx(), was, v, also)
	},
	del:  func(c *call, v desk.Client) error { return c.company.DeleteClient(c.ctx(), v) },
	read: readClient,
	view: func(v desk.Client) any { return viewClient(v) },
}

type clientView struct {
	ID        string     `json:"id"`
	Version   int64      `json:"version"`
	Name      string     `json:"name"`
	UserName  string     `json:"user_name"`
	Email     *string    `json:"email"`
	Phone     *string    `json:"phone"`
	Culture   *string    `json:"culture"`
	Active    bool       `json:"active"`
	Projects  []string   `json:"projects"`
	CreatedAt *time.Time `json:"created_at"`
}

func viewClient(v desk.Client) clientView {
	return clientView{
		v.ID, v.Version, v.Name, v.UserName, optional(v.Email), optional(v.Phone), optional(v.Culture), v.Active,
		texts(v.Projects), when(v.CreatedAt),
	}
}

func readClient(c *call, o *web.Object, v *desk.Client) error {
	o.Text("name", &v.Name, nameRule)
	readUserName(o, &v.UserName)
	readEmail(o, &v.Email, false)
	readPhone(o, &v.Phone)
	o.Text("culture", &v.Culture, web.Text{OneOf: desk.Languages[:]})
	o.Bool("active", &v.Active)
	if !o.Has("projects") {
		return nil
	}
	cat, err := c.company.FreshCatalogue(c.ctx())
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, p := range cat.Projects {
		there[p.ID] = true
	}
	for _, id := range v.Projects {
		there[id] = true // one that is gone meanwhile may come back as it was read
	}
	o.Texts("projects", &v.Projects, MaxProjects, web.Text{Check: isIn(there)})
	return nil
}

func freshClient(c *call) (desk.Client, error) {
	return desk.Client{ID: c.NewID(), Active: true, CreatedAt: c.now()}, nil
}

func listClients(c *call) error {
	q := c.query("q")
	text := q.text("q")
	if err := q.err(); err != nil {
		return err
	}
	if digits, ok := normalPhone(text); ok {
		text = digits // a number is found however it is written
	}
	items, next, err := c.company.Clients(c.ctx(), text, q.limit, q.cursor)
	if err != nil {
		return q.badCursor(err)
	}
	return answerList(c, items, next, viewClient)
}

var specialists = resource[desk.Specialist, *desk.Specialist]{
	path: "/v1/specialists/",
	id:   func(v desk.Specialist) string { return v.ID },
	load: func(c *call, id string) (desk.Specialist, error) { return c.company.Specialist(c.ctx(), id) },
	save: func(c *call, was, v desk.Specialist, also store.Also) error {
		if err := keepAnAdmin(c, was, v); err != nil {
			return err
		}
		return c.company.SaveSpecialist(c.ctx(), was, v, also)
	},
	del: func(c *call, v desk.Specialist) error {
		if err := keepAnAdmin(c, v, desk.Specialist{}); err != nil {
			return err
		}
		return c.company.DeleteSpecialist(c.ctx(), v)
	},
	read: func(_ *call, o *web.Object, v *desk.Specialist) error {
		o.Text("name", &v.Name, nameRule)
		readUserName(o, &v.UserName)
		readEmail(o, &v.Email, false)
		o.Bool("active", &v.Active)
		roles := oneWord(desk.RoleAdmin, desk.RoleAgent)
		o.Texts("roles", &v.Roles, len(roles.OneOf), roles)
		if len(v.Roles) == 0 && (v.Roles != nil || !o.Has("roles")) {
			o.Add("roles", "required")
		}
		return nil
	},
	view: func(v desk.Specialist) any { return viewSpecialist(v) },
}

// keepAnAdmin refuses to take away the last active admin of a company: nobody
// could make another.
func keepAnAdmin(c *call, was, is desk.Specialist) error {
	admin := func(v desk.Specialist) bool { return v.Active && v.Has(desk.RoleAdmin) }
	if !admin(was) || admin(is) {
		return nil
	}
	for cursor := ""; ; {
		page, next, err := c.company.Specialists(c.ctx(), "", MaxLimit, cursor)
		if err != nil {
			return err
		}
		for _, v := range page {
			if v.ID != was.ID && admin(v) {
				return nil
			}
		}
		if next == "" {
			return &web.Refused{Status: http.StatusConflict, Code: "last_admin"}
		}
		cursor = next
	}
}

type specialistView struct {
	ID        string     `json:"id"`
	Version   int64      `json:"version"`
	Name      string     `json:"name"`
	UserName  string     `json:"user_name"`
	Email     *string    `json:"email"`
	Active    bool       `json:"active"`
	Roles     []string   `json:"roles"`
	CreatedAt *time.Time `json:"created_at"`
}

func viewSpecialist(v desk.Specialist) specialistView {
	return specialistView{v.ID, v.Version, v.Name, v.UserName, optional(v.Email), v.Active, texts(v.Roles), when(v.CreatedAt)}
}

func freshSpecialist(c *call) (desk.Specialist, error) {
	return desk.Specialist{ID: c.NewID(), Active: true, CreatedAt: c.now()}, nil
}

func listSpecialists(c *call) error {
	q := c.query("q")
	text := q.text("q")
	if err := q.err(); err != nil {
		return err
	}
	items, next, err := c.company.Specialists(c.ctx(), text, q.limit, q.cursor)
	if err != nil {
		return q.badCursor(err)
	}
	return answerList(c, items, next, viewSpecialist)
}
