package api

import (
	"context"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/crashtest"
	"buzon/internal/desk"
	"buzon/internal/store"
)

// assignings are the ways of leading to a queue or campaign that may be deleted.
var assignings = []struct {
	name  string
	thing func(s *seeded) string // its path
	call  func(s *seeded) (path, body string)
	leads func(s *seeded) []string // what it leads to now
}{
	{
		"a template to a queue", func(s *seeded) string { return "/v1/queues/" + s.queue },
		func(s *seeded) (string, string) {
			return "/v1/templates/" + s.template + "/assignments", `{"campaigns":[],"queues":["` + s.queue + `"]}`
		},
		func(s *seeded) []string { return must(s.demo.Template(context.Background(), s.template)).Queues },
	},
	{
		"a template to a campaign", func(s *seeded) string { return "/v1/campaigns/" + s.campaign },
		func(s *seeded) (string, string) {
			return "/v1/templates/" + s.template + "/assignments", `{"campaigns":["` + s.campaign + `"],"queues":[]}`
		},
		func(s *seeded) []string { return must(s.demo.Template(context.Background(), s.template)).Campaigns },
	},
	{
		"a number to a queue", func(s *seeded) string { return "/v1/queues/" + s.queue },
		func(s *seeded) (string, string) {
			return "/v1/channels/" + s.channel + "/queues", `{"queues":["` + s.queue + `"]}`
		},
		func(s *seeded) []string { return must(s.demo.FreshChannel(context.Background(), s.channel)).Queues },
	},
}

// TestAssignedToNothing_S3_50: of an assignment and a deletion at the same moment one is
// refused, whichever begins and whenever the other comes.
func TestAssignedToNothing_S3_50(t *testing.T) {
	for _, a := range assignings {
		for _, order := range []string{"assigned first", "deleted first"} {
			answers := map[string]int{}
			for n, more := 0, true; more; n++ {
				s := seed(t)
				said := map[string]int{}
				assign := func() {
					to, body := a.call(s)
					said["assigned"] = s.do(s.admin, "PUT", to, body).status
				}
				del := func() { said["deleted"] = s.do(s.admin, "DELETE", a.thing(s), "").status }
				first, second := assign, del
				if order == "deleted first" {
					first, second = del, assign
				}
				more = s.together(n, first, second)
				if !more {
					second()
				}
				there := s.do(s.admin, "GET", a.thing(s), "").status == 200
				if leads := len(a.leads(s)) > 0; leads && !there {
					t.Errorf("%s, %s, effect %d: it leads to nothing", a.name, order, n)
				}
				got := fmt.Sprintf("assigned %d, deleted %d", said["assigned"], said["deleted"])
				if !slices.Contains([]string{"assigned 200, deleted 409", "assigned 422, deleted 204", "assigned 409, deleted 204"}, got) {
					t.Errorf("%s, %s, effect %d: %s", a.name, order, n, got)
				}
				answers[got]++
			}
			if len(answers) < 2 {
				t.Errorf("%s, %s: always %v", a.name, order, answers)
			}
		}
	}
}

// TestADeletionThatDiedKeepsNobodyOut for longer than a minute, and is itself over when
// somebody assigns.
func TestADeletionThatDiedKeepsNobodyOut(t *testing.T) {
	for _, a := range assignings {
		s := seed(t)
		dead := func() { s.together(1, func() { s.do(s.admin, "DELETE", a.thing(s), "") }, runtime.Goexit) }
		tab, kept := s.api.Store.Table, s.api.Secrets
		done := make(chan struct{})
		go func() {
			defer close(done)
			dead() // after the mark, before the deletion
		}()
		<-done
		s.api.Store.Table, s.api.Secrets = tab, kept
		to, body := a.call(s)
		if got := s.do(s.admin, "PUT", to, body); got.status != 409 {
			t.Errorf("%s at once: %d %s", a.name, got.status, got.text)
		}
		s.advance(time.Minute)
		for range 2 {
			s.ok(200, "PUT", to, body)
		}
		if got := s.do(s.admin, "DELETE", a.thing(s), ""); got.status != 409 {
			t.Errorf("%s: deleted afterwards: %d", a.name, got.status)
		}
		s.ok(200, "PUT", to, strings.NewReplacer(`"`+s.queue+`"`, "", `"`+s.campaign+`"`, "").Replace(body))
		s.ok(204, "DELETE", a.thing(s), "")
	}
}

// TestDeletionAndAssignmentCrashAnywhere: made again, each ends as if nothing had
// happened.
func TestDeletionAndAssignmentCrashAnywhere(t *testing.T) {
	for _, a := range assignings {
		for _, del := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, deleted %t", a.name, del), func(t *testing.T) {
				crashtest.Each(t, runtime.Goexit, func(t *testing.T, p *crashtest.Plan) string {
					w := &working{seeded: seed(t)}
					w.t = t
					calm := w.crashing(p)
					if del {
						w.until("DELETE", a.thing(w.seeded), "")
					} else {
						to, body := a.call(w.seeded)
						w.until("PUT", to, body)
					}
					calm()
					again := w.do(w.admin, "POST", path.Dir(a.thing(w.seeded)), `{"name":"Navidad"}`).status
					return fmt.Sprint(w.do(w.admin, "GET", a.thing(w.seeded), "").status, a.leads(w.seeded), again)
				})
			})
		}
	}
}

// TestHowManyMayBeAssignedAtOnce: ninety more, in campaigns and queues together; what is
// assigned already does not count.
func TestHowManyMayBeAssignedAtOnce(t *testing.T) {
	s := seed(t)
	var queues, campaigns []string
	for i := range maxAssigned {
		v := desk.Queue{ID: fmt.Sprint("q", i), Name: fmt.Sprint("q", i)}
		check(t, s.demo.SaveQueue(t.Context(), desk.Queue{}, v, nil))
		queues = append(queues, v.ID)
	}
	for i := range 2 {
		v := desk.Campaign{ID: fmt.Sprint("c", i), Name: fmt.Sprint("c", i)}
		check(t, s.demo.SaveCampaign(t.Context(), desk.Campaign{}, v, store.Also{}))
		campaigns = append(campaigns, v.ID)
	}
	list := func(ids ...string) string { return `["` + strings.Join(ids, `","`) + `"]` }
	call := "PUT /v1/templates/{template}/assignments"
	play(t, s, []step{
		{say: "91 in all", call: call, body: `{"campaigns":` + list(campaigns[:1]...) + `,"queues":` + list(queues...) + `}`, want: "422 campaigns too_many_changes"},
		{say: "90", call: call, body: `{"campaigns":` + list(campaigns[:1]...) + `,"queues":` + list(queues[1:]...) + `}`, want: "200"},
		{say: "others beside them", call: call, body: `{"campaigns":` + list(campaigns...) + `,"queues":` + list(queues...) + `}`, want: "200"},
		{say: "none", call: call, body: `{"campaigns":[],"queues":[]}`, want: "200"},
		{say: "90 queues", call: call, body: `{"campaigns":[],"queues":` + list(queues...) + `}`, want: "200"},
		{say: "(none)", call: call, body: `{"campaigns":[],"queues":[]}`, want: "200"},
		{say: "91 queues", call: call, body: `{"campaigns":[],"queues":` + list(append(queues, s.queue)...) + `}`, want: "422 queues too_many_changes"},
	})
}
