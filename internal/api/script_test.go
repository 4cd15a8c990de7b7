package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"buzon/internal/desk"
)

// step is one call of a script and what it has to give.
type step struct {
	say  string // one sentence: what this step shows
	call string // "POST /v1/projects"; {names} stand for ids
	body string
	// want is the status, then for an error its problems ("422 name required, x
	// unknown_field"), else values of the answer ("200 name=\"x\"; active=true").
	want    string
	headers []string
	as      string // name for the id of what the answer shows
	token   string // in place of the admin's
}

// play runs a script over a seeded world.
func play(t *testing.T, s *seeded, steps []step) {
	names := map[string]string{
		"project": s.project, "group": s.group, "service": s.service, "category": s.category, "client": s.client, "token": s.token,
		"channel": s.channel, "template": s.template, "conversation": s.conversation, "case": s.theCase, "held": s.held,
		"agent": s.agentID, "admin": s.adminID, "queue": s.queue, "campaign": s.campaign,
	}
	fill := func(text string) string {
		for name, id := range names {
			text = strings.ReplaceAll(text, "{"+name+"}", id)
		}
		return text
	}
	for _, st := range steps {
		token := s.admin
		if st.token != "" {
			token = st.token
		}
		method, path, _ := strings.Cut(fill(st.call), " ")
		headers := make([]string, len(st.headers))
		for i, h := range st.headers {
			headers[i] = fill(h)
		}
		a := s.do(token, method, path, fill(st.body), headers...)
		if err := fits(a, fill(st.want)); err != nil {
			t.Errorf("%s\n%s %s %s\n%v\ngot %d %s", st.say, method, path, fill(st.body), err, a.status, a.text)
		}
		if st.as != "" {
			names[st.as] = a.id()
		}
	}
}

func fits(a answer, want string) error {
	status, rest, _ := strings.Cut(want, " ")
	if fmt.Sprint(a.status) != status {
		return fmt.Errorf("want %s", status)
	}
	if rest == "" {
		return nil
	}
	if a.status >= 400 {
		code, problems, _ := strings.Cut(rest, ": ")
		if !strings.Contains(rest, ": ") && strings.Contains(rest, " ") {
			code, problems = "see_errors", rest
		}
		if got := a.problems(); a.get("code") != code || got != problems {
			return fmt.Errorf("want code %q and problems %q, got %v and %q", code, problems, a.get("code"), got)
		}
		return nil
	}
	for part := range strings.SplitSeq(rest, "; ") {
		path, text, _ := strings.Cut(part, "=")
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			return fmt.Errorf("bad expectation %q: %w", part, err)
		}
		if got := a.get(path); !reflect.DeepEqual(got, value) {
			return fmt.Errorf("want %s, got %v", part, got)
		}
	}
	return nil
}

// TestProjects: the conventions of every resource, on projects.
func TestProjects(t *testing.T) {
	long := strings.Repeat("ñ", 200)
	play(t, seed(t), []step{
		{say: "a project is active and has no code unless told", call: "POST /v1/projects", body: `{"name":"Salud"}`,
			want: `201 name="Salud"; code=null; active=true; version=1`, as: "salud"},
		{say: "it is read by its id", call: "GET /v1/projects/{salud}", want: `200 name="Salud"; version=1`},
		{say: "newest first", call: "GET /v1/projects", want: `200 items.0.name="Salud"; items.1.name="Servicios públicos"; items.2=null; next_cursor=null`},
		{say: "what is absent stays", call: "PATCH /v1/projects/{salud}", body: `{"code":"SALUD"}`, want: `200 name="Salud"; code="SALUD"; version=2`},
		{say: "null clears", call: "PATCH /v1/projects/{salud}", body: `{"code":null,"active":false}`, want: `200 code=null; active=false; version=3`},
		{say: "null cannot clear what is required", call: "PATCH /v1/projects/{salud}", body: `{"name":null}`, want: "422 name required"},
		{say: "the type of a merge patch is taken", call: "PATCH /v1/projects/{salud}", body: `{"name":"Salud 2"}`,
			headers: []string{"Content-Type: application/merge-patch+json"}, want: `200 name="Salud 2"; version=4`},
		{say: "but not to create", call: "POST /v1/projects", body: `{"name":"x"}`,
			headers: []string{"Content-Type: application/merge-patch+json"}, want: "415 media_type: "},
		{say: "what was read may be sent back with a change", call: "PATCH /v1/projects/{salud}",
			body: `{"id":"{salud}","version":4,"name":"Salud 3"}`, want: `200 name="Salud 3"; version=5`},
		{say: "an id cannot be changed", call: "PATCH /v1/projects/{salud}", body: `{"id":"x"}`, want: "422 id read_only"},
		{say: "all problems at once", call: "POST /v1/projects", body: `{"active":"yes","code":7,"nombre":"x","Name":"y"}`,
			want: "422 name required, code wrong_type, active wrong_type, Name unknown_field, nombre unknown_field"},
		{say: "a name of 200 characters", call: "POST /v1/projects", body: `{"name":"` + long + `"}`, want: "201"},
		{say: "one of 201", call: "POST /v1/projects", body: `{"name":"` + long + `x"}`, want: "422 name too_long"},
		{say: "a code of 40", call: "POST /v1/projects", body: `{"name":"x","code":"` + strings.Repeat("C", 40) + `"}`, want: "201"},
		{say: "one of 41", call: "POST /v1/projects", body: `{"name":"x","code":"` + strings.Repeat("C", 41) + `"}`, want: "422 code too_long"},
		{say: "a code that another has, in other letters", call: "POST /v1/projects", body: `{"name":"x","code":"servicios"}`, want: "422 code taken"},
		{say: "not JSON", call: "POST /v1/projects", body: `{"name":`, want: "400 not_json: "},
		{say: "a name twice", call: "POST /v1/projects", body: `{"name":"a","name":"b"}`, want: "400 duplicate_name: name duplicate_name"},
		{say: "a project with services stays", call: "DELETE /v1/projects/{project}", want: "409 in_use: "},
		{say: "an empty one goes", call: "DELETE /v1/projects/{salud}", want: "204"},
		{say: "and is gone", call: "GET /v1/projects/{salud}", want: "404 not_found: "},
		{say: "twice is not found", call: "DELETE /v1/projects/{salud}", want: "404 not_found: "},
		{say: "an id that cannot be one", call: "GET /v1/projects/a%2Fb", want: "404 not_found: "},
		{say: "an id that would lead out of its key", call: "GET /v1/projects/x%23y", want: "404 not_found: "},
		{say: "an id that is too long", call: "GET /v1/projects/" + strings.Repeat("x", 3000), want: "404 not_found: "},
	})
}

// TestIfMatch: a change is made at the version that it names, or not at all.
func TestIfMatch(t *testing.T) {
	play(t, seed(t), []step{
		{say: "the present version", call: "PATCH /v1/projects/{project}", body: `{"name":"a"}`, headers: []string{`If-Match: "1"`}, want: "200 version=2"},
		{say: "the one before", call: "PATCH /v1/projects/{project}", body: `{"name":"b"}`, headers: []string{`If-Match: "1"`}, want: "412 stale: If-Match stale"},
		{say: "any", call: "PATCH /v1/projects/{project}", body: `{"name":"c"}`, headers: []string{`If-Match: *`}, want: "200 version=3"},
		{say: "one of several", call: "PATCH /v1/projects/{project}", body: `{"name":"d"}`, headers: []string{`If-Match: "9", "3"`}, want: "200 version=4"},
		{say: "a weak tag never holds", call: "PATCH /v1/projects/{project}", body: `{"name":"e"}`, headers: []string{`If-Match: W/"4"`}, want: "412 stale: If-Match stale"},
		{say: "a tag that is none of ours", call: "PATCH /v1/projects/{project}", body: `{"name":"e"}`, headers: []string{`If-Match: "04"`}, want: "412 stale: If-Match stale"},
		{say: "no quotes", call: "PATCH /v1/projects/{project}", body: `{"name":"e"}`, headers: []string{`If-Match: 4`}, want: "400 bad_if_match: If-Match bad_if_match"},
		{say: "nothing", call: "PATCH /v1/projects/{project}", body: `{"name":"e"}`, headers: []string{`If-Match: `}, want: "400 bad_if_match: If-Match bad_if_match"},
		{say: "access has the project's version", call: "PUT /v1/projects/{project}/anonymous-access",
			body: `{"enabled":true,"services":"all","categories":"all"}`, headers: []string{`If-Match: "3"`}, want: "412 stale: If-Match stale"},
		{say: "and raises it", call: "PUT /v1/projects/{project}/anonymous-access",
			body: `{"enabled":true,"services":"all","categories":"all"}`, headers: []string{`If-Match: "4"`}, want: "200 version=5; enabled=true"},
		{say: "so the project is at it too", call: "GET /v1/projects/{project}", want: "200 version=5"},
		{say: "a delete at an old version", call: "DELETE /v1/categories/{category}", headers: []string{`If-Match: "2"`}, want: "412 stale: If-Match stale"},
		{say: "a delete at the present one", call: "DELETE /v1/categories/{category}", headers: []string{`If-Match: "1"`}, want: "204"},
		{say: "settings that were never set are at version 0", call: "GET /v1/bot", want: `200 version=0; language="es"; menu.0.number=5`},
		{say: "and are set at it", call: "PUT /v1/bot", body: `{"language":"pt"}`, headers: []string{`If-Match: "0"`}, want: `200 version=1; language="pt"`},
		{say: "once", call: "PUT /v1/bot", body: `{"language":"en"}`, headers: []string{`If-Match: "0"`}, want: "412 stale: If-Match stale"},
	})
}

// TestCatalogue: groups, services and categories, and what holds them together.
func TestCatalogue(t *testing.T) {
	play(t, seed(t), []step{
		{say: "a group is in the project of the path", call: "POST /v1/projects/{project}/service-groups", body: `{"name":"Trámites"}`, want: `201 project="{project}"`, as: "group2"},
		{say: "a project that is not there", call: "POST /v1/projects/none/service-groups", body: `{"name":"x"}`, want: "404 not_found: "},
		{say: "groups of a project", call: "GET /v1/projects/{project}/service-groups", want: `200 items.0.name="Trámites"; items.1.name="Agua"; items.2=null`},
		{say: "a group is renamed", call: "PATCH /v1/service-groups/{group2}", body: `{"name":"Trámites 2"}`, want: `200 name="Trámites 2"; version=2`},
		{say: "it stays in its project", call: "PATCH /v1/service-groups/{group2}", body: `{"project":"x"}`, want: "422 project read_only"},
		{say: "another project", call: "POST /v1/projects", body: `{"name":"Salud"}`, want: "201", as: "salud"},
		{say: "a service without a group", call: "POST /v1/projects/{salud}/services", body: `{"name":"Citas"}`, want: `201 service_group=null; project="{salud}"`, as: "citas"},
		{say: "a service in a group of another project", call: "POST /v1/projects/{salud}/services", body: `{"name":"x","service_group":"{group}"}`, want: "422 service_group not_found"},
		{say: "a service in a group that is not there", call: "PATCH /v1/services/{citas}", body: `{"service_group":"none"}`, want: "422 service_group not_found"},
		{say: "a service in what cannot be a group", call: "PATCH /v1/services/{citas}", body: `{"service_group":"a/b#c"}`, want: "422 service_group not_found"},
		{say: "a service leaves its group", call: "PATCH /v1/services/{service}", body: `{"service_group":null}`, want: `200 service_group=null`},
		{say: "and comes back", call: "PATCH /v1/services/{service}", body: `{"service_group":"{group}"}`, want: `200 service_group="{group}"`},
		{say: "a group with services stays", call: "DELETE /v1/service-groups/{group}", want: "409 in_use: "},
		{say: "an empty one goes", call: "DELETE /v1/service-groups/{group2}", want: "204"},
		{say: "services of one project only", call: "GET /v1/projects/{salud}/services", want: `200 items.0.name="Citas"; items.1=null`},
		{say: "a category with a type of case", call: "POST /v1/services/{citas}/categories", body: `{"name":"Pedir","case_type":"REQUEST"}`, want: `201 service="{citas}"; case_type="REQUEST"`, as: "pedir"},
		{say: "categories of one service only", call: "GET /v1/services/{citas}/categories", want: `200 items.0.name="Pedir"; items.1=null`},
		{say: "a category is read", call: "GET /v1/categories/{pedir}", want: `200 name="Pedir"`},
		{say: "and changed", call: "PATCH /v1/categories/{pedir}", body: `{"case_type":null}`, want: `200 case_type=null`},
		{say: "a service with categories stays", call: "DELETE /v1/services/{citas}", want: "409 in_use: "},
		{say: "its category goes", call: "DELETE /v1/categories/{pedir}", want: "204"},
		{say: "then it goes", call: "DELETE /v1/services/{citas}", want: "204"},
		{say: "then its project", call: "DELETE /v1/projects/{salud}", want: "204"},
		{say: "categories of a service that is gone", call: "GET /v1/services/{citas}/categories", want: "404 not_found: "},
	})
}

// TestAnonymousAccess: what the Anonymous user is associated with (S1-02, S1-12).
func TestAnonymousAccess(t *testing.T) {
	const path = "/v1/projects/{project}/anonymous-access"
	play(t, seed(t), []step{
		{say: "a new project is open to nobody", call: "GET " + path, want: `200 enabled=false; services=[]; categories=[]; version=1`},
		{say: "some of it", call: "PUT " + path, body: `{"enabled":true,"services":["{service}"],"categories":"all"}`,
			want: `200 enabled=true; services=["{service}"]; categories="all"; version=2`},
		{say: "it is read as it was set", call: "GET " + path, want: `200 services=["{service}"]; categories="all"; version=2`},
		{say: "all three have to be there", call: "PUT " + path, body: `{}`, want: "422 enabled required, services required, categories required"},
		{say: "another word than all", call: "PUT " + path, body: `{"enabled":true,"services":"some","categories":"all"}`, want: "422 services wrong_type"},
		{say: "what is not in the project", call: "PUT " + path, body: `{"enabled":true,"services":["{service}","none"],"categories":["{service}"]}`,
			want: "422 services[1] not_found, categories[0] not_found"},
		{say: "the version may come back", call: "PUT " + path, body: `{"version":2,"enabled":false,"services":[],"categories":["{category}"]}`,
			want: `200 enabled=false; services=[]; categories=["{category}"]; version=3`},
		{say: "a category goes", call: "DELETE /v1/categories/{category}", want: "204"},
		{say: "and is no longer shown as associated", call: "GET " + path, want: `200 categories=[]; version=3`},
		{say: "a project that is not there", call: "GET /v1/projects/none/anonymous-access", want: "404 not_found: "},
		{say: "nor can it be set", call: "PUT /v1/projects/none/anonymous-access", body: `{}`, want: "404 not_found: "},
	})
}

// TestBot: the settings of the dialogue (S1-07, S1-11, S1-12, S1-31, Q1, Q11).
func TestBot(t *testing.T) {
	play(t, seed(t), []step{
		{say: "those that ship", call: "GET /v1/bot",
			want: `200 version=0; timeout_minutes=60; form_hours=24; menu.0.action="anonymous_case"; menu.0.text=null; texts={}; project_code=""`},
		{say: "all of them", call: "PUT /v1/bot", body: `{"language":"en","menu":[{"number":1,"label":{"en":"Hours"},"action":"text","text":{"en":"9 to 5\nMonday to Friday"}},
			{"number":5,"label":{"en":"Case","pt":"Caso"},"action":"anonymous_case"}],"texts":{"es":{"bot.hello_named":"¡Qué tal, {name}!"}},
			"project_code":"servicios","create_case_template":"create_case","anonymous_user":"anonimo","timeout_minutes":1,"form_hours":720}`,
			want: `200 version=1; language="en"; menu.0.text={"en":"9 to 5\nMonday to Friday"}; menu.1.label.pt="Caso"; texts.es={"bot.hello_named":"¡Qué tal, {name}!"}; form_hours=720`},
		{say: "they are read as they were set", call: "GET /v1/bot", want: `200 version=1; anonymous_user="anonimo"; timeout_minutes=1; default_case_type=""`},
		{say: "the type of a case that nothing gives another (S3-46)", call: "PUT /v1/bot", body: `{"language":"es","default_case_type":"` + strings.Repeat("t", MaxCode) + `"}`, want: "200 version=2"},
		{say: "a longer one", call: "PUT /v1/bot", body: `{"language":"es","default_case_type":"` + strings.Repeat("t", MaxCode+1) + `"}`, want: "422 default_case_type too_long"},
		{say: "what is absent is as it ships", call: "PUT /v1/bot", body: `{"version":2,"language":"es"}`, want: `200 version=3; default_case_type=""; menu.0.number=5; texts={}; timeout_minutes=60; project_code=""`},
		{say: "without a language", call: "PUT /v1/bot", body: `{}`, want: "422 language required"},
		{say: "limits of the numbers", call: "PUT /v1/bot", body: `{"language":"es","timeout_minutes":0,"form_hours":721}`, want: "422 timeout_minutes out_of_range, form_hours out_of_range"},
		{say: "23 hours are the longest", call: "PUT /v1/bot", body: `{"language":"es","timeout_minutes":1380}`, want: "200"},
		{say: "a minute more is too long (Q11)", call: "PUT /v1/bot", body: `{"language":"es","timeout_minutes":1381}`, want: "422 timeout_minutes out_of_range"},
		{say: "an empty menu", call: "PUT /v1/bot", body: `{"language":"es","menu":[]}`, want: "422 menu required"},
		{say: "a menu that is none", call: "PUT /v1/bot", body: `{"language":"es","menu":"x"}`, want: "422 menu wrong_type"},
		{say: "problems of entries", call: "PUT /v1/bot", body: `{"language":"fr","menu":[{"number":1,"label":{"es":"a"},"action":"text"},
			{"number":1,"label":{"de":"b"},"action":"anonymous_case","text":{"es":"x"}},{"number":100,"label":{},"action":"call"},{}]}`,
			want: "422 language not_one_of, menu[0].text required, menu[1].number twice, menu[1].label.de unknown_field, menu[1].label required, " +
				"menu[1].text not_allowed, menu[2].number out_of_range, menu[2].action not_one_of, menu[2].label required, " +
				"menu[3].number required, menu[3].action required, menu[3].label required"},
		{say: "texts that do not ship, or take other values", call: "PUT /v1/bot", body: `{"language":"es","texts":{"es":{"bot.none":"x","problem.required":"y","bot.hello":"Hola {name}"},"fr":{}}}`,
			want: "422 texts.es.bot.hello unknown_placeholder, texts.es.bot.none unknown_field, texts.es.problem.required unknown_field, texts.fr unknown_field"},
		{say: "a code of no project", call: "PUT /v1/bot", body: `{"language":"es","project_code":"none"}`, want: "422 project_code not_found"},
		{say: "19 entries fit, and a twentieth", call: "PUT /v1/bot", body: `{"language":"es","menu":[` + entries(20) + `]}`, want: "200"},
		{say: "one more does not", call: "PUT /v1/bot", body: `{"language":"es","menu":[` + entries(21) + `]}`, want: "422 menu too_many"},
	})
}

func entries(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"number":%d,"label":{"es":"x"},"action":"anonymous_case"}`, i+1))
	}
	return strings.Join(all, ",")
}

// TestClients: people whom the company serves (S5-01 … S5-05).
func TestClients(t *testing.T) {
	play(t, seed(t), []step{
		{say: "a phone is kept in digits", call: "GET /v1/clients/{client}", want: `200 phone="573001234567"; culture=null; email=null; active=true; projects=[]`},
		{say: "the least that a client is", call: "POST /v1/clients", body: `{"name":"Beto","user_name":"beto"}`, want: `201 phone=null; version=1`, as: "beto"},
		{say: "all that a client is", call: "POST /v1/clients", body: `{"name":"Caro","user_name":"Caro@x","email":"caro@example.com","phone":"0057 (1) 234 5678","culture":"pt","active":false,"projects":["{project}"]}`,
			want: `201 phone="5712345678"; culture="pt"; active=false; projects=["{project}"]`, as: "caro"},
		{say: "a phone that another has, written otherwise", call: "POST /v1/clients", body: `{"name":"x","user_name":"x","phone":"57-300-1234567"}`, want: "422 phone taken"},
		{say: "a user name and a phone that others have", call: "POST /v1/clients", body: `{"name":"x","user_name":"BETO","phone":"573001234567"}`, want: "422 user_name taken, phone taken"},
		{say: "the user name of a specialist", call: "POST /v1/clients", body: `{"name":"x","user_name":"lprada"}`, want: "422 user_name taken"},
		{say: "problems of all kinds", call: "POST /v1/clients", body: `{"user_name":"a b","email":"x@y","phone":"12","culture":"fr","projects":["none",5]}`,
			want: "422 name required, user_name invalid, email invalid_email, phone invalid_phone, culture not_one_of, projects[0] not_found, projects[1] wrong_type"},
		{say: "search by name", call: "GET /v1/clients?q=CAR", want: `200 items.0.name="Caro"; items.1=null`},
		{say: "search by a phone as it is written", call: "GET /v1/clients?q=%2B57%20300%20123-4567", want: `200 items.0.name="Ana"; items.1=null`},
		{say: "search for nobody", call: "GET /v1/clients?q=zzz", want: `200 items=[]; next_cursor=null`},
		{say: "a search of 200 characters", call: "GET /v1/clients?q=" + strings.Repeat("x", 200), want: "200"},
		{say: "one of 201", call: "GET /v1/clients?q=" + strings.Repeat("x", 201), want: "422 q too_long"},
		{say: "a phone is changed", call: "PATCH /v1/clients/{client}", body: `{"phone":"573009999999"}`, want: `200 phone="573009999999"`},
		{say: "and free for another", call: "PATCH /v1/clients/{beto}", body: `{"phone":"573001234567"}`, want: `200 phone="573001234567"`},
		{say: "null takes it away", call: "PATCH /v1/clients/{beto}", body: `{"phone":null,"user_name":"Beto"}`, want: `200 phone=null; user_name="Beto"`},
		{say: "a client goes", call: "DELETE /v1/clients/{beto}", want: "204"},
		{say: "and the name is free", call: "POST /v1/clients", body: `{"name":"Beto","user_name":"beto"}`, want: "201"},
	})
}

// TestSpecialists: people who work for the company.
func TestSpecialists(t *testing.T) {
	s := seed(t)
	play(t, s, []step{
		{say: "both roles", call: "POST /v1/specialists", body: `{"name":"Eva","user_name":"eva","roles":["agent","admin"]}`, want: `201 roles=["agent","admin"]; active=true`, as: "eva"},
		{say: "no role", call: "POST /v1/specialists", body: `{"name":"x","user_name":"x"}`, want: "422 roles required"},
		{say: "an empty list", call: "PATCH /v1/specialists/{eva}", body: `{"roles":[]}`, want: "422 roles required"},
		{say: "null for the list", call: "PATCH /v1/specialists/{eva}", body: `{"roles":null}`, want: "422 roles required"},
		{say: "roles that there are not", call: "POST /v1/specialists", body: `{"name":"x","user_name":"x","roles":["boss","agent"]}`, want: "422 roles[0] not_one_of"},
		{say: "a role twice", call: "POST /v1/specialists", body: `{"name":"x","user_name":"x","roles":["agent","agent"]}`, want: "422 roles[1] twice"},
		{say: "something else than a list", call: "POST /v1/specialists", body: `{"name":"x","user_name":"x","roles":"admin"}`, want: "422 roles wrong_type"},
		{say: "a name that is taken", call: "PATCH /v1/specialists/{eva}", body: `{"user_name":"LPRADA"}`, want: "422 user_name taken"},
		{say: "search", call: "GET /v1/specialists?q=eva", want: `200 items.0.name="Eva"; items.1=null`},
		{say: "an agent calls", call: "GET /v1/me", token: s.agent, want: `200 user_name="lprada"; roles=["agent"]; tenant={"id":"demo","name":"Ciudad Demo"}; token.token=null; token.description="test"`},
		{say: "is switched off", call: "PATCH /v1/specialists/{agent}", body: `{"active":false}`, want: `200 active=false`},
		{say: "and is out at once (R13)", call: "GET /v1/me", token: s.agent, want: "401 unauthenticated: "},
		{say: "is switched on", call: "PATCH /v1/specialists/{agent}", body: `{"active":true}`, want: `200 active=true`},
		{say: "and is in", call: "GET /v1/me", token: s.agent, want: "200"},
		{say: "one of two admins may go", call: "PATCH /v1/specialists/{eva}", body: `{"roles":["agent"]}`, want: `200 roles=["agent"]`},
		{say: "the only active admin stays", call: "DELETE /v1/specialists/{admin}", want: "409 last_admin: "},
		{say: "and stays active", call: "PATCH /v1/specialists/{admin}", body: `{"active":false}`, want: "409 last_admin: "},
		{say: "and stays an admin", call: "PATCH /v1/specialists/{admin}", body: `{"roles":["agent"]}`, want: "409 last_admin: "},
		{say: "is deleted", call: "DELETE /v1/specialists/{agent}", want: "204"},
		{say: "and is out for good", call: "GET /v1/me", token: s.agent, want: "401 unauthenticated: "},
	})
}

// TestEdges: limits of lists and texts that no other test meets, at both edges.
func TestEdges(t *testing.T) {
	s := seed(t)
	quoted := func(n int, id string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprintf("%q", fmt.Sprint(id, i))
		}
		return strings.Join(all, ",")
	}
	email := func(n int) string { return strings.Repeat("e", n-len("@example.com")) + "@example.com" }
	var projects []string
	for i := range MaxProjects {
		projects = append(projects, `"`+s.make("/v1/projects", fmt.Sprintf(`{"name":"p%d"}`, i))+`"`)
	}
	all := strings.Join(projects, ",")
	access := `{"enabled":true,"services":[%s],"categories":[]}`
	menu := `{"language":"es","menu":[{"number":%d,"label":{"es":"%s"},"action":"text","text":{"es":"%s"}}]}`
	play(t, s, []step{
		{say: "100 projects of a client", call: "PATCH /v1/clients/{client}", body: `{"projects":[` + all + `]}`, want: "200"},
		{say: "101", call: "PATCH /v1/clients/{client}", body: `{"projects":[` + all + `,"{project}"]}`, want: "422 projects too_many"},
		{say: "an address of 254 characters", call: "PATCH /v1/clients/{client}", body: `{"email":"` + email(MaxEmail) + `"}`, want: "200"},
		{say: "255", call: "PATCH /v1/clients/{client}", body: `{"email":"` + email(MaxEmail+1) + `"}`, want: "422 email too_long"},
		{say: "a phone written in 40 characters", call: "PATCH /v1/clients/{client}", body: `{"phone":"573009999999` + strings.Repeat("-", 28) + `"}`, want: `200 phone="573009999999"`},
		{say: "41", call: "PATCH /v1/clients/{client}", body: `{"phone":"573009999999` + strings.Repeat("-", 29) + `"}`, want: "422 phone too_long"},
		{say: "1001 services are too many to look at", call: "PUT /v1/projects/{project}/anonymous-access", body: fmt.Sprintf(access, quoted(MaxAssociated+1, "s")), want: "422 services too_many"},
		{say: "menu number, label and text at their limits", call: "PUT /v1/bot", body: fmt.Sprintf(menu, 99, strings.Repeat("l", 200), strings.Repeat("t", 4096)), want: "200"},
		{say: "and beyond", call: "PUT /v1/bot", body: fmt.Sprintf(menu, 99, strings.Repeat("l", 201), strings.Repeat("t", 4097)),
			want: "422 menu[0].label.es too_long, menu[0].text.es too_long"},
		{say: "a type of case of 40 characters", call: "PATCH /v1/categories/{category}", body: `{"case_type":"` + strings.Repeat("t", MaxCode) + `"}`, want: "200"},
		{say: "41", call: "PATCH /v1/categories/{category}", body: `{"case_type":"` + strings.Repeat("t", MaxCode+1) + `"}`, want: "422 case_type too_long"},
		{say: "an anonymous user of 200", call: "PUT /v1/bot", body: `{"language":"es","anonymous_user":"` + strings.Repeat("u", desk.MaxName) + `"}`, want: "200"},
		{say: "201", call: "PUT /v1/bot", body: `{"language":"es","anonymous_user":"` + strings.Repeat("u", desk.MaxName+1) + `"}`, want: "422 anonymous_user too_long"},
		{say: "name of a template, 512", call: "PUT /v1/bot", body: `{"language":"es","create_case_template":"` + strings.Repeat("t", 512) + `"}`, want: "200"},
		{say: "513", call: "PUT /v1/bot", body: `{"language":"es","create_case_template":"` + strings.Repeat("t", 513) + `"}`, want: "422 create_case_template too_long"},
		{say: "an id of 80 characters is looked for", call: "GET /v1/cases?project=" + strings.Repeat("x", 80), want: "200"},
		{say: "one of 81 is none", call: "GET /v1/cases?project=" + strings.Repeat("x", 81), want: "422 project invalid"},
	})
	a := s.do(s.admin, "PUT", "/v1/projects/"+s.project+"/anonymous-access", fmt.Sprintf(access, quoted(MaxAssociated, "s")))
	if a.status != 422 || strings.Count(a.problems(), "not_found") != MaxAssociated {
		t.Errorf("1000 services that are not there: %d", a.status)
	}
}

// TestQ9BotWarnings: an admin learns why dialogues do not end in a form.
func TestQ9BotWarnings(t *testing.T) {
	s := seed(t)
	const path = "GET /v1/bot/warnings"
	warned := func(say string, codes ...string) step {
		want := `200 next_cursor=null; items.` + fmt.Sprint(len(codes)) + `=null`
		for i, code := range codes {
			field, code, _ := strings.Cut(code, " ")
			want += fmt.Sprintf("; items.%d.field=%q; items.%d.code=%q", i, strings.Trim(field, "-"), i, code)
		}
		return step{say: say, call: path, want: want}
	}
	bot := func(body string) step { return step{say: "(settings)", call: "PUT /v1/bot", body: body, want: "200"} }
	template := func(change func(v *desk.Template)) {
		v := must(s.demo.Template(t.Context(), s.template))
		change(&v)
		check(t, s.demo.SaveTemplate(t.Context(), v, nil))
	}
	play(t, s, []step{
		warned("nothing is open", "- no_projects"),
		{say: "(open)", call: "PUT /v1/projects/{project}/anonymous-access", body: `{"enabled":true,"services":"all","categories":"all"}`, want: "200"},
		warned("all is well"),
		bot(`{"language":"es","create_case_template":"create_case","project_code":"SERVICIOS"}`),
		warned("with a template and a code too"),
		bot(`{"language":"es","create_case_template":"other","menu":[{"number":1,"label":{"es":"x"},"action":"text","text":{"es":"x"}}]}`),
		warned("a template that there is not, and a menu that leads nowhere", "create_case_template case_template_missing", "menu menu_without_case"),
		{say: "a page of them", call: path + "?limit=1", want: `200 items.0.code="case_template_missing"; items.1=null`},
		bot(`{"language":"es","create_case_template":"create_case"}`),
	})
	template(func(v *desk.Template) { v.Active = false })
	play(t, s, []step{warned("a template that is off", "create_case_template case_template_inactive")})
	template(func(v *desk.Template) { v.ProviderState = "paused" })
	play(t, s, []step{
		warned("one that the provider paused", "create_case_template case_template_not_approved"),
		{say: "(off)", call: "PUT /v1/channels/{channel}/state", body: `{"state":"inactive"}`, want: "200"},
		warned("a channel that is off has no dialogues"),
	})
}
