package desk

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var templateNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func minute(n int) time.Time { return templateNow.Add(time.Duration(n) * time.Minute) }

func said(state, reason string, at, received int) Verdict {
	return Verdict{Event: VerdictStatus, State: state, Reason: reason, At: minute(at), ReceivedAt: minute(received)}
}

// TestProviderStates: what each word of a list makes of a template that was approved,
// pending or rejected.
func TestProviderStates(t *testing.T) {
	for _, test := range []struct {
		word   string
		status TemplateStatus // empty: it stays
		known  bool
	}{
		{"approved", TemplateApproved, true},
		{"paused", TemplateApproved, true},
		{"disabled", TemplateApproved, true},
		{"deactivated", TemplateApproved, true},
		{"desactivated", TemplateApproved, true},
		{"locked", TemplateApproved, true},
		{"flagged", TemplateApproved, true},
		{"archived", TemplateApproved, true},
		{"reinstated", TemplateApproved, true},
		{"rejected", TemplateRejected, true},
		{"failed", TemplateRejected, true},
		{"pending", TemplatePending, true},
		{"submitted", TemplatePending, true},
		{"in_review", TemplatePending, true},
		{"in_appeal", TemplatePending, true},
		{"appealed", TemplatePending, true},
		{"sandbox_requested", TemplatePending, true},
		{"deleted", "", true},
		{"half_baked", "", false},
	} {
		for _, was := range []TemplateStatus{TemplatePending, TemplateApproved, TemplateRejected} {
			got := Template{Status: was, Active: true, ProviderState: "x"}.Confirmed(Listing{State: test.word}, minute(0))
			status := test.status
			if status == "" {
				status = was
			}
			if got.Status != status || got.ProviderState != test.word {
				t.Errorf("%s, was %s: %s/%s, want %s", test.word, was, got.Status, got.ProviderState, status)
			}
			if off := status == TemplateRejected && was != TemplateRejected; got.Active == off {
				t.Errorf("%s, was %s: active %t", test.word, was, got.Active)
			}
			if sendable := test.word == ProviderApproved; got.Sendable() != sendable {
				t.Errorf("%s, was %s: sendable %t", test.word, was, got.Sendable())
			}
		}
		if KnownProviderState(test.word) != test.known {
			t.Errorf("%s: known %t", test.word, !test.known)
		}
	}
}

func TestProviderWordIsShort(t *testing.T) {
	at := fmt.Sprintf("%0*d", MaxProviderWord, 1)
	for in, want := range map[string]string{" Paused ": "paused", at: at, at + "x": at, at[1:] + "é": at[1:]} {
		if got := ProviderWord(in); got != want {
			t.Errorf("ProviderWord(%q) = %q", in, got)
		}
	}
}

// TestTemplateLife follows a template through what is said of it.
func TestTemplateLife(t *testing.T) {
	approved := Template{ID: "t", ProviderID: "p", Status: TemplateApproved, ProviderState: ProviderApproved, Active: true,
		Category: CategoryUtility, ConfirmedAt: minute(-60)}
	listed := func(state, reason string) Listing { return Listing{ProviderID: "p", State: state, Reason: reason} }
	requested := Template{ID: "t", Name: "n", Status: TemplatePending, Active: true,
		Submission: &Submission{Attempts: 2, Unknown: true, Lease: &Lease{From: minute(-30)}}}
	for _, test := range []struct {
		name  string
		from  Template
		steps []func(Template) Template
		want  string
	}{
		{"a callback that forbids stops sending at once and leaves status and switch (R12)", approved, steps(
			func(t Template) Template { return t.Hinted(said("paused", "too many blocks", 0, 0), false) },
		), "approved/paused too many blocks active hinted"},
		{"a callback that approves changes nothing (R12)", Template{ProviderID: "p", Status: TemplatePending, ProviderState: "pending", Active: true}, steps(
			func(t Template) Template { return t.Hinted(said("approved", "", 0, 0), false) },
		), "pending/pending  active"},
		{"a callback that approves does not lift one that forbids", approved, steps(
			func(t Template) Template { return t.Hinted(said("paused", "", 0, 0), false) },
			func(t Template) Template { return t.Hinted(said("approved", "", 1, 1), false) },
		), "approved/paused  active hinted"},
		{"of two that forbid the newer counts, whichever comes first", approved, steps(
			func(t Template) Template { return t.Hinted(said("disabled", "", 2, 0), false) },
			func(t Template) Template { return t.Hinted(said("paused", "", 1, 1), false) },
		), "approved/disabled  active hinted"},
		{"the list does away with a forged one", approved, steps(
			func(t Template) Template { return t.Hinted(said("rejected", "spam", 0, 0), false) },
			func(t Template) Template { return t.Confirmed(listed("approved", ""), minute(0)) },
		), "approved/approved  active sendable"},
		{"a list that was asked before it came does not", approved, steps(
			func(t Template) Template { return t.Hinted(said("rejected", "spam", 0, 1), false) },
			func(t Template) Template { return t.Confirmed(listed("approved", ""), minute(0)) },
		), "approved/rejected spam active hinted"},
		{"nor does such a list when an older one came later still", approved, steps(
			func(t Template) Template { return t.Hinted(said("rejected", "", 0, 1), false) },
			func(t Template) Template { return t.Hinted(said("paused", "", -1, 3), false) },
			func(t Template) Template { return t.Confirmed(listed("approved", ""), minute(2)) },
		), "approved/rejected  active hinted"},
		{"nor is it missing then", approved, steps(
			func(t Template) Template { return t.Hinted(said("paused", "", 0, 1), false) },
			func(t Template) Template { return t.Absent(minute(0)) },
		), "approved/paused  active hinted"},
		{"a callback that came before the last list changes nothing", approved, steps(
			func(t Template) Template { return t.Hinted(said("paused", "", 0, 0), true) },
		), "approved/approved  active sendable"},
		{"but may explain what the list said", approved, steps(
			func(t Template) Template { return t.Confirmed(listed("paused", ""), minute(1)) },
			func(t Template) Template { return t.Hinted(said("paused", "blocks", 0, 0), true) },
		), "approved/paused blocks active"},
		{"unless the list explains it", approved, steps(
			func(t Template) Template { return t.Confirmed(listed("paused", "quality"), minute(1)) },
			func(t Template) Template { return t.Hinted(said("paused", "blocks", 0, 0), true) },
		), "approved/paused quality active"},
		{"a late rejection switches it off", approved, steps(
			func(t Template) Template { return t.Confirmed(listed("rejected", "ABUSIVE"), minute(0)) },
		), "rejected/rejected ABUSIVE"},
		{"only a person switches it on again", approved, steps(
			func(t Template) Template { return t.Confirmed(listed("rejected", ""), minute(0)) },
			func(t Template) Template { return t.Confirmed(listed("approved", ""), minute(1)) },
		), "approved/approved "},
		{"who may do so while it is rejected", approved, steps(
			func(t Template) Template { return t.Confirmed(listed("rejected", ""), minute(0)) },
			func(t Template) Template { t.Active = true; return t },
			func(t Template) Template { return t.Confirmed(listed("rejected", ""), minute(1)) },
		), "rejected/rejected  active"},
		{"the first rejection of the provider's own switches off what we had refused, though a person had switched it on (S3-21)", requested, steps(
			func(t Template) Template { return t.Refused("name_taken") },
			func(t Template) Template { t.Active = true; return t },
			func(t Template) Template { return t.Confirmed(listed("rejected", "TAG"), minute(0)) },
			func(t Template) Template { return t.Confirmed(listed("approved", ""), minute(1)) },
		), "approved/approved "},
		{"an approval leaves it on", requested, steps(
			func(t Template) Template { return t.Refused("name_taken") },
			func(t Template) Template { t.Active = true; return t },
			func(t Template) Template { return t.Confirmed(listed("approved", ""), minute(0)) },
		), "approved/approved  active sendable"},
		{"gone from the list it is missing", approved, steps(
			func(t Template) Template { return t.Absent(minute(0)) },
		), "approved/missing  active"},
		{"and back", approved, steps(
			func(t Template) Template { return t.Absent(minute(0)) },
			func(t Template) Template { return t.Confirmed(listed("approved", ""), minute(1)) },
		), "approved/approved  active sendable"},
		{"one that no list has held is missing ten minutes after its submission", requested, steps(
			func(t Template) Template { return t.Submitted(listed("pending", ""), minute(0)) },
			func(t Template) Template { return t.Absent(minute(0).Add(NotInList + time.Second)) },
		), "pending/missing  active"},
		{"and not before", requested, steps(
			func(t Template) Template { return t.Submitted(listed("pending", ""), minute(0)) },
			func(t Template) Template { return t.Absent(minute(0).Add(NotInList)) },
		), "pending/pending  active"},
		{"one that we never submitted and no list has held is not missing", Template{ProviderID: "p", Status: TemplateApproved, ProviderState: "approved", Active: true}, steps(
			func(t Template) Template { return t.Absent(minute(0)) },
		), "approved/approved  active sendable"},
		{"one without an id is not missing", requested, steps(
			func(t Template) Template { return t.Absent(minute(0)) },
		), "pending/  active"},
		{"a request that is refused is rejected and off", requested, steps(
			func(t Template) Template { return t.Refused("name_taken") },
		), "rejected/refused name_taken"},
		{"a request may be rejected in the answer", requested, steps(
			func(t Template) Template { return t.Submitted(listed("rejected", "TAG"), minute(0)) },
		), "rejected/rejected TAG"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before, _ := json.Marshal(test.from)
			got := test.from
			for _, step := range test.steps {
				got = step(got)
			}
			text := fmt.Sprintf("%s/%s %s", got.Status, got.ProviderState, got.Reason)
			if got.Active {
				text += " active"
			}
			if got.Hint != nil {
				text += " hinted"
			}
			if got.Sendable() {
				text += " sendable"
			}
			if text != test.want {
				t.Errorf("%q, want %q", text, test.want)
			}
			if after, _ := json.Marshal(test.from); string(after) != string(before) {
				t.Errorf("what it was made from has changed:\n%s\n%s", before, after)
			}
		})
	}
}

func steps(s ...func(Template) Template) []func(Template) Template { return s }

func TestConfirmedAdoptsARequest(t *testing.T) {
	from := Template{Status: TemplatePending, Submission: &Submission{Attempts: 1, Unknown: true, Cause: WaitUnavailable, Lease: &Lease{From: minute(-2)}}}
	got := from.Confirmed(Listing{ProviderID: "p", State: "pending"}, minute(0))
	want := &Submission{Done: true, Attempts: 1, SentAt: minute(-2)}
	if diff := cmp.Diff(want, got.Submission); diff != "" || got.ProviderID != "p" {
		t.Errorf("id %q, submission %s", got.ProviderID, diff)
	}
	again := got.Confirmed(Listing{ProviderID: "p", State: "approved"}, minute(1))
	if diff := cmp.Diff(want, again.Submission); diff != "" || again.Status != TemplateApproved {
		t.Errorf("%s, submission %s", again.Status, diff)
	}
}

// TestQualityAndCategory: what is noted of them, from callbacks and lists.
func TestQualityAndCategory(t *testing.T) {
	quality := func(word string, at int) func(Template) Template {
		return func(t Template) Template {
			return t.Hinted(Verdict{Event: VerdictQuality, State: word, At: minute(at)}, false)
		}
	}
	late := func(event, word string, at int) func(Template) Template {
		return func(t Template) Template { return t.Hinted(Verdict{Event: event, State: word, At: minute(at)}, true) }
	}
	category := func(word string, at int) func(Template) Template {
		return func(t Template) Template {
			return t.Hinted(Verdict{Event: VerdictCategory, State: word, At: minute(at)}, false)
		}
	}
	list := func(l Listing, at int) func(Template) Template {
		return func(t Template) Template { return t.Confirmed(l, minute(at)) }
	}
	days := 24 * 60
	for _, test := range []struct {
		name  string
		steps []func(Template) Template
		want  string // quality category next
	}{
		{"a callback notes the quality", steps(quality("YELLOW", 0)), "yellow utility "},
		{"the newest does", steps(quality("red", 1), quality("green", 0)), "red utility "},
		{"the list goes before it", steps(quality("red", 1), list(Listing{Quality: "GREEN"}, 2)), "green utility "},
		{"a list without it leaves it", steps(quality("red", 1), list(Listing{}, 2)), "red utility "},
		{"one that came before the list changes nothing", steps(list(Listing{Quality: "green"}, 2), late(VerdictQuality, "red", 3)), "green utility "},
		{"unless the list did not say", steps(list(Listing{}, 2), late(VerdictQuality, "red", 3)), "red utility "},
		{"a category that is announced is the next", steps(category("marketing", 0)), " utility marketing"},
		{"a change is too, until the list says so", steps(category("marketing", 0), list(Listing{}, 1)), " utility marketing"},
		{"and then is the category", steps(category("marketing", 0), list(Listing{Category: "marketing"}, 1)), " marketing "},
		{"what the category is already is not announced", steps(category("UTILITY", 0)), " utility "},
		{"the list announces another", steps(category("marketing", 0), list(Listing{NextCategory: "authentication"}, 1)), " utility authentication"},
		{"and takes it back", steps(list(Listing{NextCategory: "authentication"}, 1), list(Listing{}, 2)), " utility "},
		{"one that came before the list does not go before it", steps(list(Listing{NextCategory: "authentication"}, 1), late(VerdictCategory, "marketing", 2)), " utility authentication"},
		{"what was announced and never came true is forgotten after two months", steps(category("marketing", 0), list(Listing{}, 62*days+1)), " utility "},
		{"not before", steps(category("marketing", 0), list(Listing{}, 62*days)), " utility marketing"},
	} {
		got := Template{ProviderID: "p", Category: CategoryUtility, Status: TemplateApproved, ProviderState: "approved", Active: true}
		for _, step := range test.steps {
			got = step(got)
		}
		if text := fmt.Sprintf("%s %s %s", got.Quality, got.Category, got.NextCategory); text != test.want {
			t.Errorf("%s: %q, want %q", test.name, text, test.want)
		}
		if !got.Sendable() {
			t.Errorf("%s: not sendable any more", test.name)
		}
	}
}

// TestEveryOrderOfUpToSixCallbacks_R12: whatever the order in which callbacks come, once
// the list has been read after the last of them the template is as the list says. It
// may have been read before as well, between any two of them, and a callback that came
// before that reading may be noted after it.
func TestEveryOrderOfUpToSixCallbacks_R12(t *testing.T) {
	verdicts := []Verdict{
		said("approved", "", 0, 0),
		said("rejected", "INVALID_FORMAT", 1, 0),
		said("paused", "for 3 hours", 2, 0),
		said("disabled", "quality", 2, 0),
		said("half_baked", "", -1, 0),
		{Event: VerdictQuality, State: "yellow", At: minute(0)},
	}
	start := Template{ProviderID: "p", Status: TemplatePending, ProviderState: "pending", Active: true, ConfirmedAt: minute(-60)}
	for _, list := range []*Listing{
		nil, // it is not there
		{State: "approved", Quality: "green"},
		{State: "rejected", Reason: "INVALID"},
		{State: "paused"},
		{State: "in_appeal"},
		{State: "half_baked"},
	} {
		read := func(tpl Template, at time.Time) Template {
			if list == nil {
				return tpl.Absent(at)
			}
			return tpl.Confirmed(*list, at)
		}
		ends := map[int]Template{} // by the set of callbacks
		var come func(tpl Template, set, n int, early bool)
		come = func(tpl Template, set, n int, early bool) {
			if set != 0 {
				end := read(tpl, minute(100))
				if end.Said != nil { // when it came is no matter
					end.Said.ReceivedAt = time.Time{}
				}
				first, ok := ends[set]
				if !ok {
					ends[set] = end
				}
				if ok && !reflect.DeepEqual(first, end) {
					t.Fatalf("list %v, callbacks %06b: in another order\n%s", list, set, cmp.Diff(first, end))
				}
				if tpl.Hint != nil && tpl.Sendable() {
					t.Fatalf("list %v, callbacks %06b: sendable under a hint", list, set)
				}
			}
			for i, v := range verdicts {
				if set&(1<<i) != 0 {
					continue
				}
				next := set | 1<<i
				v.ReceivedAt = minute(n)
				come(tpl.Hinted(v, false).Hinted(v, false), next, n+1, early)
				if early { // read once already
					continue
				}
				come(read(tpl, minute(n)).Hinted(v, false), next, n+1, true)
				v.ReceivedAt = minute(n - 1)
				come(read(tpl, minute(n)).Hinted(v, true), next, n+1, true)
			}
		}
		come(start, 0, 0, false)
		if len(ends) != 1<<len(verdicts)-1 {
			t.Fatalf("%d sets of callbacks", len(ends))
		}
	}
}

func TestMarketing(t *testing.T) {
	for category, want := range map[string]bool{
		CategoryMarketing: true, "MARKETING": true, " Marketing": true,
		CategoryUtility: false, CategoryAuthentication: false, "": false, "marketing_lite": false,
	} {
		if got := (Template{Category: category}).Marketing(); got != want {
			t.Errorf("%q: %t", category, got)
		}
	}
}

func TestAnUploadIsGone(t *testing.T) {
	v := Upload{CreatedAt: templateNow}
	for after, want := range map[time.Duration]bool{0: false, UploadKept - 1: false, UploadKept: true} {
		if got := v.Gone(templateNow.Add(after)); got != want {
			t.Errorf("after %v: %t", after, got)
		}
	}
}
