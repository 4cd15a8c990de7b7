package gupshup_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"buzon/internal/channel"
	"buzon/internal/channel/channeltest"
	"buzon/internal/channel/gupshup/gupshuptest"
	"buzon/internal/desk"
)

func TestLimitsOfWhatIsRead(t *testing.T) {
	message := func(change func(*gupshuptest.Phone)) channel.Batch {
		p := ana
		change(&p)
		return channeltest.Parse(t, provider(), demo, p.V2("w", at, gupshuptest.Text("x")))
	}
	for n, want := range map[int]int{desk.MaxName: desk.MaxName, desk.MaxName + 1: desk.MaxName} {
		b := message(func(p *gupshuptest.Phone) { p.Name = strings.Repeat("ñ", n) })
		if len(b.Messages) != 1 || b.Messages[0].Name != strings.Repeat("ñ", want) {
			t.Errorf("a name of %d characters: %+v", n, b)
		}
	}
	for n, want := range map[int]string{150: "", 151: channel.RejectNoSender} {
		if b := message(func(p *gupshuptest.Phone) { p.Number = strings.Repeat("4", n) }); b.Rejected != want {
			t.Errorf("a sender of %d digits: %q", n, b.Rejected)
		}
	}
	for n, want := range map[int]int{32: 32, 33: 32} {
		body := fmt.Sprintf(`{"type":"message-event","payload":{"id":%q,"type":"failed","payload":{"code":%q}}}`, gsID, strings.Repeat("ñ", n))
		b := channeltest.Parse(t, provider(), demo, []byte(body))
		if len(b.Receipts) != 1 || b.Receipts[0].Code != strings.Repeat("ñ", want) {
			t.Errorf("a code of %d characters: %+v", n, b)
		}
	}
	for n, want := range map[int]int{200: 200, 201: 200} {
		v := desk.Verdict{ProviderID: "t", Event: "status-update", State: "rejected", Reason: strings.Repeat("ñ", n), At: at}
		b := channeltest.Parse(t, provider(), demo, gupshuptest.Template(demo, v))
		if len(b.Verdicts) != 1 || b.Verdicts[0].Reason != strings.Repeat("ñ", want) {
			t.Errorf("a reason of %d characters: %+v", n, b)
		}
	}
}

// TestLimitsOfALabel: what is only shown is cut to its limit, never refused.
func TestLimitsOfALabel(t *testing.T) {
	var form struct {
		Title         string
		GlobalButtons []struct{ Title string }
		Items         []struct {
			Options []struct{ Title, Description string }
		}
	}
	p := sender(t, func(w http.ResponseWriter, r *http.Request) {
		if err := json.Unmarshal([]byte(r.PostFormValue("message")), &form); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, `{"status":"submitted","messageId":"m"}`)
	})
	for _, over := range []int{0, 1} {
		fill := func(most int) (full, want string) {
			full = strings.Repeat("ñ", most+over)
			if over > 0 {
				return full, strings.Repeat("ñ", most-1) + "…"
			}
			return full, full
		}
		a := account
		var header, button, title, about string
		out := desk.Outgoing{Type: desk.ReplyList, Text: "t", Rows: []desk.Row{{ID: "1"}, {ID: "2", Title: "x"}}}
		a.Channel.CompanyName, header = fill(60)
		out.Button, button = fill(desk.MaxListButton)
		out.Rows[0].Title, title = fill(desk.MaxListTitle)
		out.Rows[1].Description, about = fill(desk.MaxListDescription)
		if _, err := p.Send(t.Context(), a, person, out, "ref"); err != nil {
			t.Fatal(err)
		}
		rows := form.Items[0].Options
		if form.Title != header || form.GlobalButtons[0].Title != button || rows[0].Title != title || rows[1].Description != about {
			t.Errorf("%d over: %+v", over, form)
		}
		full := ""
		if over > 0 {
			full = out.Rows[0].Title
		}
		if rows[0].Description != full {
			t.Errorf("%d over: the description is %q, want the full title %q", over, rows[0].Description, full)
		}
	}
}
