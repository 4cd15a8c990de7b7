package cloudapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/channel"
	"buzon/internal/channel/cloudapi"
	"buzon/internal/channel/strictjson"
	"buzon/internal/desk"
)

func parsed(t *testing.T, s string) strictjson.Value {
	t.Helper()
	v, reject := strictjson.Parse([]byte(s))
	if reject != "" {
		t.Fatalf("%s: %s", s, reject)
	}
	return v
}

func TestLookup(t *testing.T) {
	for _, tc := range []struct {
		codes         string
		verdict       channel.Verdict
		reason, cause string
	}{
		{"0", channel.ChannelDown, "token_refused", desk.WaitCredential},
		{"190", channel.ChannelDown, "token_expired", desk.WaitCredential},
		{"3 10 200 250 299 131005", channel.ChannelDown, "permission_missing", desk.WaitCredential},
		{"133010 131045", channel.ChannelDown, "number_unregistered", desk.WaitCredential},
		{"368", channel.ChannelDown, "policy_block", desk.WaitSuspended},
		{"131031", channel.ChannelDown, "account_locked", desk.WaitSuspended},
		{"131042", channel.ChannelDown, "payment_missing", desk.WaitWallet},
		{"4 80007 80008 130429 133016", channel.Later, "rate_limited", desk.WaitRateLimited},
		{"131048", channel.Later, "spam_limited", desk.WaitRateLimited},
		{"131056", channel.Later, "pair_limited", desk.WaitPair},
		{"2 131000 131016 131057", channel.Later, "provider_error", desk.WaitUnavailable},
		{"470 131047", channel.Refused, "outside_window", ""},
		{"131050", channel.Refused, "marketing_opted_out", ""},
		{"131049", channel.Refused, "marketing_limit", ""},
		{"132000 132012", channel.Refused, "template_parameters", ""},
		{"132002 132999", channel.Refused, "template_refused", ""},
	} {
		for code := range strings.FieldsSeq(tc.codes) {
			want := cloudapi.Rule{Verdict: tc.verdict, Reason: tc.reason, Cause: tc.cause, Pair: tc.cause == desk.WaitPair}
			got, ok := cloudapi.Lookup(code)
			if diff := cmp.Diff(want, got); diff != "" || !ok {
				t.Errorf("%s: %s", code, diff)
			}
			whole := ""
			if tc.verdict == channel.ChannelDown {
				whole = tc.cause
			}
			if got.ChannelCause() != whole {
				t.Errorf("%s concerns the channel: %q", code, got.ChannelCause())
			}
		}
	}
	for _, code := range []string{"", " 190", "190 ", "+190", "0190", "1.9e2", "199", "300", "100", "131999", "133000", "-1", "99999999999999999999"} {
		if r, ok := cloudapi.Lookup(code); ok {
			t.Errorf("%q: %+v", code, r)
		}
	}
}

func TestClean(t *testing.T) {
	for _, tc := range []struct{ why, in, want string }{
		{"one line", " a\n b\tc ", "a b c"},
		{"no phone numbers", "call +49 170 0000001 or 491700000001 now", "call … or … now"},
		{"short numbers stay", "error 131026 of 7", "error 131026 of 7"},
		{"no secrets", "key s3cret!", "key …"},
		{"nothing that is not text", "a\xffb", "ab"},
		{"200 characters stay", strings.Repeat("ñ", 200), strings.Repeat("ñ", 200)},
		{"not 201", strings.Repeat("ñ", 201), strings.Repeat("ñ", 200)},
	} {
		if got := cloudapi.Clean(tc.in, "", "s3cret!"); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.why, got, tc.want)
		}
	}
}

// TestWhoWroteAMessage: the number before the business-scoped id, and the name of
// whoever has either.
func TestWhoWroteAMessage(t *testing.T) {
	const scoped = "US.00000000000000000001"
	for _, tc := range []struct{ why, from, contacts, person, name, bad string }{
		{"a number", `"from":"+49 170"`, `[{"wa_id":"49170","profile":{"name":"Ana"}}]`, "49170", "Ana", ""},
		{"a business-scoped id in from", `"from":"` + scoped + `"`, `[{"wa_id":"` + scoped + `","profile":{"name":"Ana"}}]`, scoped, "Ana", ""},
		{"without from", `"from_user_id":"` + scoped + `"`, `[{"user_id":"` + scoped + `","profile":{"name":"Ana"}}]`, scoped, "Ana", ""},
		{"with a null from", `"from":null,"from_user_id":"` + scoped + `"`, `[]`, scoped, "", ""},
		{"with an empty from", `"from":"","from_user_id":"` + scoped + `"`, `[]`, scoped, "", ""},
		{"both", `"from":"49170","from_user_id":"` + scoped + `"`, `[{"user_id":"` + scoped + `","profile":{"name":"Ana"}}]`, "49170", "Ana", ""},
		{"another's name", `"from":"49170"`, `[{"wa_id":"49171","profile":{"name":"Bo"}}]`, "49170", "", ""},
		{"of several, by their ids", `"from":"49170"`, `[{"wa_id":"49171","profile":{"name":"Bo"}},{"wa_id":"49170","profile":{"name":"Ana"}}]`, "49170", "Ana", ""},
		{"the one contact without an id", `"from":"49170"`, `[{"profile":{"name":"Ana"}}]`, "49170", "Ana", ""},
		{"nobody", `"x":1`, `[]`, "", "", channel.RejectNoSender},
		{"null", `"from":null`, `[]`, "", "", channel.RejectNoSender},
		{"two empty ones", `"from":"","from_user_id":""`, `[]`, "", "", channel.RejectNoSender},
		{"a name for a number", `"from":"ana"`, `[]`, "", "", channel.RejectNoSender},
		{"a number that is one", `"from":49170`, `[]`, "", "", channel.RejectWrongType},
		{"two spellings", `"from":"49170","From":"49171"`, `[]`, "", "", channel.RejectAmbiguous},
	} {
		t.Run(tc.why, func(t *testing.T) {
			var e cloudapi.Event
			m := e.Message(parsed(t, `{"id":"w","timestamp":"1700000000","type":"text","text":{"body":"x"},`+tc.from+`}`), cloudapi.ReadNames(parsed(t, tc.contacts)))
			if e.Bad != tc.bad {
				t.Fatalf("code %q, want %q", e.Bad, tc.bad)
			}
			if tc.bad == "" && (m.Person != tc.person || m.Name != tc.name || !m.SentAt.Equal(time.Unix(1_700_000_000, 0))) {
				t.Errorf("%+v, want %s, %s", m, tc.person, tc.name)
			}
		})
	}
}

// TestCategoryOfATemplate: where Meta tells both, the new one still holds.
func TestCategoryOfATemplate(t *testing.T) {
	for _, tc := range []struct{ why, value, state, reason, bad string }{
		{"changed", `"previous_category":"UTILITY","new_category":"MARKETING"`, "marketing", "", ""},
		{"announced beside the one that holds", `"new_category":"UTILITY","correct_category":"MARKETING"`, "marketing", cloudapi.ReasonAnnounced, ""},
		{"announced alone", `"correct_category":"MARKETING"`, "marketing", cloudapi.ReasonAnnounced, ""},
		{"neither", `"x":1`, "", "", channel.RejectWrongType},
	} {
		var e cloudapi.Event
		v := e.Template("template_category_update", parsed(t, `{"message_template_id":5000000000000000013,`+tc.value+`}`), parsed(t, `1700000000`))
		if e.Bad != tc.bad || tc.bad == "" && (v.State != tc.state || v.Reason != tc.reason || v.ProviderID != "5000000000000000013" || v.Event != desk.VerdictCategory) {
			t.Errorf("%s: %+v, code %q", tc.why, v, e.Bad)
		}
	}
}

func TestFieldsThatAreCounted(t *testing.T) {
	for field, want := range map[string]string{
		"account_update": "account", "account_alerts": "account", "account_review_update": "account", "business_capability_update": "account",
		"phone_number_quality_update": "account", "phone_number_name_update": "account", "phone_number_colour_update": "account",
		"security": "account", "flows": "account",
		"smb_message_echoes": "echo", "history": "echo", "smb_app_state_sync": "echo",
		"messages": "", "message_template_status_update": "", "user_preferences": "", "phone_number": "", "": "", "smell_update": "",
	} {
		if got := cloudapi.IgnoredField(field); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
}

func TestStatusesThatAreNoStep(t *testing.T) {
	for kind, want := range map[string]string{
		"played": "status_played", "x-y_z": "status_x-y_z", "": "status_other", "Sent": "status_other", "x\x00": "status_other",
		strings.Repeat("a", 32): "status_" + strings.Repeat("a", 32), strings.Repeat("a", 33): "status_other",
	} {
		if got := cloudapi.IgnoredStatus(kind); got != want {
			t.Errorf("%q: %s, want %s", kind, got, want)
		}
	}
}

func TestTemplateRequests(t *testing.T) {
	full := desk.Template{Name: "n", Language: "es", Category: desk.CategoryUtility, Body: "{{1}}", Params: []string{"a"}, Samples: []string{"x", "y", "z"}}
	full.Buttons = []desk.TemplateButton{
		{Kind: desk.ButtonURL, Text: "1", URL: "https://a/{{1}}"}, {Kind: desk.ButtonURL, Text: "2", URL: "https://b"}, {Kind: desk.ButtonURL, Text: "3", URL: "https://c/{{1}}"},
	}
	if err := cloudapi.Requestable(full); err != nil {
		t.Error(err)
	}
	want := []cloudapi.TemplateButton{
		{Type: "URL", Text: "1", URL: "https://a/{{1}}", Example: []string{"https://a/y"}}, {Type: "URL", Text: "2", URL: "https://b"},
		{Type: "URL", Text: "3", URL: "https://c/{{1}}", Example: []string{"https://c/z"}},
	}
	got, bad := cloudapi.TemplateButtons(full)
	if diff := cmp.Diff(want, got); diff != "" || bad != nil {
		t.Errorf("%v\n%s", bad, diff)
	}
	full.Samples = full.Samples[:2]
	if _, bad := cloudapi.TemplateButtons(full); bad == nil || bad.Reason != "samples_missing" {
		t.Errorf("one sample too few: %v", bad)
	}
	full.Samples = nil
	if bad := cloudapi.Requestable(full); bad == nil || bad.Reason != "samples_missing" {
		t.Errorf("no samples: %v", bad)
	}
	full.Category = desk.CategoryAuthentication
	if bad := cloudapi.Requestable(full); bad != nil {
		t.Errorf("Authentication needs none: %v", bad)
	}
	for in, want := range map[string]string{"UTILITY": "utility", " Marketing ": "marketing", "AUTHENTICATION": "authentication", "Service": "Service", strings.Repeat("X", 33): strings.Repeat("X", 32), "": ""} {
		if got := cloudapi.Category(in); got != want {
			t.Errorf("category %q: %q, want %q", in, got, want)
		}
	}
}

func TestLimitsOfALabel(t *testing.T) {
	for over, cut := range map[int]bool{0: false, 1: true} {
		fit := func(most int) (full, want string) {
			full = strings.Repeat("ñ", most+over)
			if cut {
				return full, strings.Repeat("ñ", most-1) + "…"
			}
			return full, full
		}
		title, shortTitle := fit(desk.MaxListTitle)
		about, shortAbout := fit(desk.MaxListDescription)
		label, shortLabel := fit(desk.MaxButtonTitle)
		rows, err := cloudapi.ListRows([]desk.Row{{ID: "1", Title: title}, {ID: "2", Title: "x", Description: about}})
		if err != nil || rows[0].Title != shortTitle || (rows[0].Description == title) != cut || rows[1].Description != shortAbout {
			t.Errorf("%d over: %+v, %v", over, rows, err)
		}
		buttons, err := cloudapi.Buttons([]desk.Row{{ID: "1", Title: label}})
		if err != nil || buttons[0].Title != shortLabel {
			t.Errorf("%d over: %+v, %v", over, buttons, err)
		}
	}
}
