package approval_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/queue"
	"buzon/internal/table"
)

// lost stores a template whose request went out a while ago, nobody knows to what end.
func (w *world) lost(tenant string, t desk.Template) {
	w.t.Helper()
	from := w.clock.Now().Add(-5 * time.Minute)
	t.Channel, t.CreatedAt = channelID(tenant), from
	t.Name, t.Language, t.Category = cmp.Or(t.Name, "t_x"), "es", cmp.Or(t.Category, desk.CategoryUtility)
	t.Status = cmp.Or(t.Status, desk.TemplatePending)
	t.Submission = &desk.Submission{
		Attempts: 1, Unknown: true, Done: t.Status == desk.TemplateRejected,
		Lease: &desk.Lease{From: from, Until: from.Add(time.Minute), Owner: "somebody"},
	}
	must(w.t, w.eyes.In(tenant).SaveTemplate(context.Background(), t, nil))
}

// TestOnlyWhatWeAskedForIsFoundByName: what the list holds under the name of a request
// of unknown outcome becomes ours if it says what we asked for, since agents see our text
// and people get the provider's (S3-31).
func TestOnlyWhatWeAskedForIsFoundByName_S3_31(t *testing.T) {
	ours := desk.Template{Body: "Hola, {{1}}:\ntu pedido {{2}} salió.", Type: desk.TemplateText}
	image := ours
	image.Type = desk.TemplateImage
	code := desk.Template{Body: "Tu código de verificación es {{1}}", Category: desk.CategoryAuthentication}
	for _, test := range []struct {
		name  string
		ours  desk.Template
		there channel.Listed
		found bool
	}{
		{"the same", ours, channel.Listed{Body: ours.Body, Type: "text"}, true},
		{"the same, with other white space", ours, channel.Listed{Body: " Hola, {{1}}:\r\ntu pedido {{2}} salió.\n", Type: "text"}, true},
		{"the same in another category: the provider may change it", ours, channel.Listed{Body: ours.Body, Type: "text", Category: "marketing"}, true},
		{"the same, and nothing is said of its type", ours, channel.Listed{Body: ours.Body}, true},
		{"another text", ours, channel.Listed{Body: "Hola, {{1}}:\ntu pedido {{2}} no salió.", Type: "text"}, false},
		{"its variables the other way round", ours, channel.Listed{Body: "Hola, {{2}}:\ntu pedido {{1}} salió.", Type: "text"}, false},
		{"another case of letters", ours, channel.Listed{Body: "hola, {{1}}:\ntu pedido {{2}} salió.", Type: "text"}, false},
		{"nothing is said of its text", ours, channel.Listed{Type: "text"}, false},
		{"with an image on top", ours, channel.Listed{Body: ours.Body, Type: "image"}, false},
		{"an image, as asked for", image, channel.Listed{Body: ours.Body, Type: "image"}, true},
		{"an image, as not asked for", image, channel.Listed{Body: ours.Body, Type: "text"}, false},
		{"a type left out is text", desk.Template{Body: "Hola"}, channel.Listed{Body: "Hola", Type: "text"}, true},
		{"another language", ours, channel.Listed{Body: ours.Body, Type: "text", Language: "en"}, false},
		{"another name", ours, channel.Listed{Body: ours.Body, Type: "text", Name: "t_y"}, false},
		{"Authentication, whose text is the provider's", code, channel.Listed{Body: "*{{1}}* es tu código de verificación.", Category: "authentication"}, true},
		{"Authentication without a text", code, channel.Listed{Category: "authentication"}, true},
		{"our text for Authentication in another category", code, channel.Listed{Body: code.Body, Category: "utility"}, false},
	} {
		w := newWorld(t, options{})
		a := w.company("acme")
		test.ours.ID = "x"
		w.lost("acme", test.ours)
		test.there.ProviderID, test.there.State, test.there.Name = pid(7), "approved", cmp.Or(test.there.Name, "t_x")
		a.set(test.there)
		w.syncNow("acme")
		want(t, test.name, w.template("acme", "x").ProviderID == pid(7), test.found)
	}
}

// TestAnothersTemplateOfThatName, made in the provider's console, never becomes ours: the
// request ends as it would have if no answer had been lost.
func TestAnothersTemplateOfThatName_S3_31(t *testing.T) {
	for name, answer := range map[string]*channel.Error{
		"the first attempt is lost": refusal(channel.Unknown, "timeout", desk.ReasonUnknown, "", 0),
		"none is":                   nil,
	} {
		w := newWorld(t, options{})
		a := w.company("acme")
		a.set(channel.Listed{ProviderID: pid(7), Name: "t_x", State: "approved", Body: "Compre hoy", Type: "text"})
		a.submit = func(n int) *channel.Error {
			if n == 0 {
				return answer
			}
			return nil
		}
		w.request("acme", "x")
		w.settle(6 * time.Hour)
		want(t, name, show(w.template("acme", "x")),
			`x rejected/refused reason="name_taken" quality= category=utility next= active=false sendable=false hint=- done=true id=`)
		want(t, name+": made", len(a.made), 0)
	}
}

// TestSameNameAgain: a request was given up whose outcome was unknown, and another made
// under its name with another text. Each is what the provider has of it, or nothing.
func TestSameNameAgain_S3_31(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer *channel.Error // to the second request
		old    string         // text of the one that the provider has
		x, y   string         // what they are in the end
	}{
		{"the first was made, the second is refused", nil, "Hola", "approved " + pid(7), "rejected "},
		{"the first was made, the second's answer is lost", refusal(channel.Unknown, "timeout", desk.ReasonUnknown, "", 0), "Hola", "approved " + pid(7), "rejected "},
		{"the first was never made", nil, "", "rejected ", "pending " + pid(1000)},
	} {
		w := newWorld(t, options{})
		a := w.company("acme")
		w.lost("acme", desk.Template{ID: "x", Body: "Hola", Status: desk.TemplateRejected, ProviderState: desk.ProviderRefused, Reason: "name_taken"})
		if test.old != "" {
			a.set(channel.Listed{ProviderID: pid(7), Name: "t_x", State: "approved", Body: test.old, Type: "text"})
		}
		a.submit = func(n int) *channel.Error {
			if n == 0 {
				return test.answer
			}
			return nil
		}
		y := desk.Template{
			ID: "y", Channel: channelID("acme"), Name: "t_x", Language: "es", Category: desk.CategoryUtility, Body: "Otro texto",
			Status: desk.TemplatePending, Active: true, CreatedAt: w.clock.Now(), Submission: &desk.Submission{},
		}
		must(t, w.eyes.In("acme").SaveTemplate(t.Context(), y, nil))
		w.send("acme", desk.ApprovalEvent{Submit: "y"})
		w.settle(time.Hour)
		w.syncNow("acme")
		for id, end := range map[string]string{"x": test.x, "y": test.y} {
			got := w.template("acme", id)
			want(t, test.name+": "+id, fmt.Sprintf("%s %s", got.Status, got.ProviderID), end)
			want(t, test.name+": "+id+" is sent", got.Sendable(), false)
		}
	}
}

// watched tells after every write.
type watched struct {
	table.Table
	wrote func()
}

func (w watched) Write(ctx context.Context, ops ...table.Op) error {
	err := w.Table.Write(ctx, ops...)
	w.wrote()
	return err
}

// TestARequestHoldsNoVerdictUp: somebody died while submitting, and the event that comes
// again waits for the lease to end. What forbids another template stops it at once.
func TestARequestHoldsNoVerdictUp_R5(t *testing.T) {
	var w *world
	var came, stopped time.Time
	w = newWorld(t, options{mutant: func(s *seams) {
		s.table = watched{s.table, func() {
			if !came.IsZero() && stopped.IsZero() && !w.template("acme", "y").Sendable() {
				stopped = w.clock.Now()
			}
		}}
	}})
	a := w.company("acme")
	w.known("acme", "y", pid(2), "approved")
	a.set(channel.Listed{ProviderID: pid(2), State: "disabled"})
	w.request("acme", "x")
	v, now := w.template("acme", "x"), w.clock.Now()
	v.Submission = &desk.Submission{Attempts: 1, Lease: &desk.Lease{From: now, Until: now.Add(time.Minute), Owner: "dead"}}
	must(t, w.eyes.In("acme").SaveTemplate(t.Context(), v, nil))
	came = now
	w.callback("acme", status(pid(2), "disabled", "", now))
	w.settle(20 * time.Minute)
	want(t, "stopped after", stopped.Sub(came), 0)
	want(t, "the request, in the end", show(w.template("acme", "x")), pending+pid(1000))
}

// handle has an event handled now, while another is.
func (w *world) handle(tenant string, e desk.ApprovalEvent) error {
	w.t.Helper()
	body, err := queue.Seal(desk.StageApprovals, tenant, e)
	must(w.t, err)
	return w.work.Handle(context.Background(), queue.Record{ID: "other", Body: body})
}

// TestARequestIsMadeWhileTheListIsRead: the reading began before, so that the template is
// not missing, whether its answer is written before or after the list's end.
func TestARequestIsMadeWhileTheListIsRead(t *testing.T) {
	var page slow
	w := newWorld(t, options{mutant: func(s *seams) { page.Templates, s.provider = s.provider, &page }})
	a := w.company("acme")
	a.set(channel.Listed{ProviderID: pid(1), State: "approved"})
	w.known("acme", "k", pid(1), "approved")
	w.request("acme", "x")
	page.meanwhile = func() { must(t, w.handle("acme", desk.ApprovalEvent{Submit: "x"})) }
	sync := desk.SyncEvent{Channel: channelID("acme"), Asked: w.clock.Now()}
	must(t, w.handle("acme", desk.ApprovalEvent{Sync: &sync}))
	want(t, "made meanwhile", show(w.template("acme", "x")), pending+pid(1000))
	want(t, "the reading", summary(w.lastSync("acme")), "ok=true seen=1 changed=0 missing=0 error=")
	w.settle(time.Hour)
	want(t, "later", show(w.template("acme", "x")), pending+pid(1000))

	v := w.newRequest("acme", "y")
	a.submit = func(int) *channel.Error {
		w.clock.Advance(time.Second)
		asked := desk.SyncEvent{Channel: channelID("acme"), Asked: w.clock.Now()}
		w.clock.Advance(time.Second)
		must(t, w.handle("acme", desk.ApprovalEvent{Sync: &asked}))
		return nil
	}
	must(t, w.handle("acme", desk.ApprovalEvent{Submit: v}))
	want(t, "read meanwhile", w.template("acme", "y").ProviderState, "pending")
	want(t, "requests", len(a.submits), 2)
}

// TestAVerdictAheadOfTheAnswer: the provider decides while the answer to the request is on
// its way, or lost. What it said is known soon after.
func TestAVerdictAheadOfTheAnswer(t *testing.T) {
	for _, test := range []struct {
		name     string
		lose     bool
		listed   string // the list's word
		id, says string // of the callback
		called   string
		want     string
		kept     string // why it goes to quarantine; empty: it does not
	}{
		{"approved", false, "approved", pid(1000), "approved", "t_x", "approved/approved  true", ""},
		{"approved, and the answer is lost", true, "approved", pid(1000), "approved", "t_x", "approved/approved  true", ""},
		{"rejected, and the list does not say why", false, "rejected", pid(1000), "rejected", "t_x", "rejected/rejected POLICY false", ""},
		{"another one is", false, "pending", pid(9), "approved", "t_z", "pending/pending  false", "template_unknown"},
	} {
		w := newWorld(t, options{})
		a := w.company("acme")
		w.request("acme", "x")
		a.submit = func(n int) *channel.Error {
			if n > 0 {
				return nil
			}
			w.clock.Advance(time.Second)
			v := w.parse("acme", named(test.id, test.called, test.says, w.clock.Now()))[0]
			var kept *queue.Unreadable
			if err := w.handle("acme", desk.ApprovalEvent{Verdict: v}); errors.As(err, &kept) {
				want(t, test.name+": quarantine", kept.Reason, test.kept)
			} else if err != nil || test.kept != "" {
				t.Errorf("%s: %v", test.name, err)
			}
			return nil
		}
		a.lose = func(int) bool { return test.lose }
		w.drain()
		for i := range a.list {
			a.list[i].State = test.listed
		}
		w.settle(3 * time.Minute)
		got := w.template("acme", "x")
		want(t, test.name, fmt.Sprintf("%s/%s %s %t", got.Status, got.ProviderState, got.Reason, got.Sendable()), test.want)
		want(t, test.name+": requests", len(a.submits), 1)
	}
}

// named is a callback that names its template; a rejection says why.
func named(id, name, state string, at time.Time) string {
	reason := ""
	if state == "rejected" {
		reason = "POLICY"
	}
	return fmt.Sprintf(`{"app":"DemoApp","timestamp":%d,"version":2,"type":"template-event","payload":{"id":%q,"status":%q,"elementName":%q,"languageCode":"es","rejectedReason":%q}}`,
		at.UnixMilli(), id, state, name, reason)
}

// TestARequestWaitsForAReadingThatIsUnderWay instead of overtaking it; a verdict does so for
// one that will answer it, and overtakes any other. A reading that died is waited for no
// longer than one may last, and not at all by the event that it was for.
func TestARequestWaitsForAReadingThatIsUnderWay(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	w.lost("acme", desk.Template{ID: "x", Body: "Hola"})
	w.known("acme", "k", pid(1), "approved")
	a.set(channel.Listed{ProviderID: pid(1), State: "paused"})
	a.set(channel.Listed{ProviderID: pid(7), Name: "t_x", State: "pending", Body: "Hola"})
	c := w.eyes.In("acme")
	began := w.clock.Now()
	must(t, c.SaveChannelSync(t.Context(), channelID("acme"), desk.ChannelSync{Began: began}))
	for waited := time.Duration(0); waited < 50*time.Second; waited += 10 * time.Second {
		if after, again := queue.AgainAfter(w.handle("acme", desk.ApprovalEvent{Submit: "x"})); !again || after != 5*time.Second {
			t.Fatalf("after %s: again %t, after %s", waited, again, after)
		}
		w.clock.Advance(10 * time.Second)
	}
	want(t, "readings while it is under way", a.lists, 0)
	must(t, w.handle("acme", desk.ApprovalEvent{Submit: "x"}))
	want(t, "readings then", a.lists, 1)
	want(t, "found", w.template("acme", "x").ProviderID, pid(7))

	w.clock.Advance(time.Minute)
	known := w.lastSync("acme")
	known.Began = w.clock.Now()
	must(t, c.SaveChannelSync(t.Context(), channelID("acme"), known))
	w.clock.Advance(time.Second)
	v := w.parse("acme", status(pid(1), "paused", "", w.clock.Now()))[0]
	w.clock.Advance(time.Second)
	must(t, w.handle("acme", desk.ApprovalEvent{Verdict: v}))
	want(t, "readings with that for the verdict", a.lists, 2)
	want(t, "which waited for nobody", w.template("acme", "k").ProviderState, "paused")

	for _, test := range []struct {
		name  string
		asked time.Duration // of the reading under way, from the verdict's receipt
		waits bool
	}{{"of another event", -time.Second, true}, {"its own, which died", 0, false}} {
		w.clock.Advance(time.Minute)
		v.ReceivedAt = w.clock.Now()
		w.clock.Advance(time.Second)
		known = w.lastSync("acme")
		known.Began, known.For = w.clock.Now(), v.ReceivedAt.Add(test.asked)
		must(t, c.SaveChannelSync(t.Context(), channelID("acme"), known))
		w.clock.Advance(time.Second)
		_, waits := queue.AgainAfter(w.handle("acme", desk.ApprovalEvent{Verdict: v}))
		want(t, "a reading since it came, "+test.name+": it is waited for", waits, test.waits)
		w.clock.Advance(time.Minute)
	}
}
