package simulator

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"buzon/internal/channel/gupshup"
	"buzon/internal/desk"
)

// channelOf is a line as the system knows it.
func channelOf(l Line) desk.Channel {
	return desk.Channel{
		ID: l.ID, Kind: "whatsapp", Provider: l.Provider, AccountID: l.AccountID, App: l.App, AppID: l.AppID, Identifier: l.Identifier, PhoneNumberID: l.PhoneNumberID,
	}
}

func TestWhatAPersonSendsIsReadAsItWasMeant(t *testing.T) {
	provider := gupshup.Provider{Now: func() time.Time { return noon }}
	cases := []struct {
		sentence string
		body     string
		want     desk.Content // Media and Raw are compared apart
		media    string
	}{
		{"a text", `"type":"text","text":"Hola 👋"`, desk.Content{Type: desk.Text, Text: "Hola 👋"}, ""},
		{"a row of a list", `"type":"list_reply","reply_id":"row_1"`, desk.Content{Type: desk.ListReply, Text: "Fila", ReplyID: "row_1"}, ""},
		{
			"a row of no list that we know", `"type":"list_reply","text":"Vieja","reply_id":"row_77"`,
			desk.Content{Type: desk.ListReply, Text: "Vieja", ReplyID: "row_77"}, "",
		},
		{"a button", `"type":"button_reply","text":"Sí","reply_id":"b_0"`, desk.Content{Type: desk.ButtonReply, Text: "Sí", ReplyID: "b_0"}, ""},
		{"a template's button", `"type":"quick_reply","text":"Sí"`, desk.Content{Type: desk.QuickReply, Text: "Sí"}, ""},
		{"an image", `"type":"image","text":"pie","url":"https://x.example/a.png"`, desk.Content{Type: desk.Image, Text: "pie"}, "https://x.example/a.png"},
		{"a video", `"type":"video","url":"https://x.example/a.mp4"`, desk.Content{Type: desk.Video}, "https://x.example/a.mp4"},
		{"a voice note", `"type":"audio","url":"https://x.example/a"`, desk.Content{Type: desk.Audio}, "https://x.example/a"},
		{"a file", `"type":"file","url":"https://x.example/a.pdf?x=1"`, desk.Content{Type: desk.File}, "https://x.example/a.pdf?x=1"},
		{"a sticker", `"type":"sticker","url":"http://x.example/a.webp"`, desk.Content{Type: desk.Sticker}, "http://x.example/a.webp"},
		{"a location", `"type":"location","text":"Plaza"`, desk.Content{
			Type: desk.Location, Place: &desk.Place{Longitude: -74.076, Latitude: 4.5981, Name: "Plaza", Address: "Plaza Mayor 1"},
		}, ""},
		{"a contact", `"type":"contact","text":"Bo"`, desk.Content{Type: desk.Contacts}, ""},
		{"a reaction", `"type":"reaction","text":"❤️","reply_id":"wamid.x"`, desk.Content{Type: desk.Reaction, Text: "❤️", Quoted: "wamid.x"}, ""},
	}
	for _, c := range cases {
		for _, format := range []string{"", "v2", "v3"} {
			t.Run(c.sentence+" "+format, func(t *testing.T) {
				w := newWorld(t)
				if status, answer := w.send(PathMessage, "k1", listMessage(3, "Fila", "Detalle")); status != 202 {
					t.Fatal(answer)
				}
				body := `{"from":"` + person + `","name":"Ana",` + c.body
				if format != "" {
					body += `,"format":"` + format + `"`
				}
				status, answer := w.call("POST", "/simulator/whatsapp/messages", body+"}")
				var a struct {
					MessageID string `json:"message_id"`
					Status    int
				}
				if err := json.Unmarshal([]byte(answer), &a); err != nil || status != 202 || a.Status != 200 || !strings.HasPrefix(a.MessageID, "wamid.") {
					t.Fatalf("%d %s, %v", status, answer, err)
				}
				if len(w.webhooks) != 1 {
					t.Fatalf("webhooks %v", w.webhooks)
				}
				batch := provider.Parse(channelOf(w.Lines[0]), []byte(w.webhooks[0]))
				if batch.Rejected != "" || len(batch.Messages) != 1 {
					t.Fatalf("read as %+v: %s", batch, w.webhooks[0])
				}
				m := batch.Messages[0]
				if m.ProviderID != a.MessageID || m.Person != person || m.Name != "Ana" || !m.SentAt.Equal(noon) {
					t.Errorf("read as %+v", m)
				}
				got := m.Content
				if (got.Media != nil) != (c.media != "") || got.Media != nil && got.Media.URL != c.media {
					t.Errorf("media %+v, want %q", got.Media, c.media)
				}
				got.Media, got.Raw = nil, nil
				if m.Content.Type != desk.Reaction {
					got.Quoted = ""
				}
				if m.Content.Type == desk.QuickReply {
					got.ReplyID = "" // v3 always has one
				}
				if !reflect.DeepEqual(got, c.want) {
					t.Errorf("read as %+v, want %+v", got, c.want)
				}
			})
		}
	}
}

func TestMessagesThatNobodyCanSendAreRefused(t *testing.T) {
	cases := []struct {
		sentence, path, body string
		status               int
		want                 string
	}{
		{"nothing", "whatsapp", `{}`, 422, "from required, type required"},
		{"no JSON", "whatsapp", `{`, 400, ""},
		{"a list", "whatsapp", `[]`, 422, " wrong_type"},
		{"an unknown field", "whatsapp", `{"from":"12025550111","type":"text","text":"x","to":"y"}`, 422, "to unknown_field"},
		{"an unknown channel", "viber", `{"from":"12025550111","type":"text","text":"x"}`, 404, ""},
		{"a channel without a known webhook", "demo-2", `{"from":"12025550111","type":"text","text":"x"}`, 404, ""},
		{"a number with a plus sign", "demo-1", `{"from":"+12025550111","type":"text","text":"x"}`, 422, "from invalid_phone"},
		{"4 digits", "demo-1", `{"from":"1202","type":"text","text":"x"}`, 422, "from invalid_phone"},
		{"5 digits", "demo-1", `{"from":"12025","type":"text","text":"x"}`, 202, ""},
		{"15 digits", "demo-1", `{"from":"120255501112345","type":"text","text":"x"}`, 202, ""},
		{"16 digits", "demo-1", `{"from":"1202555011123456","type":"text","text":"x"}`, 422, "from invalid_phone"},
		{"a number that is a number", "demo-1", `{"from":12025550111,"type":"text","text":"x"}`, 422, "from wrong_type"},
		{"an unknown type", "demo-1", `{"from":"12025550111","type":"poll","text":"x"}`, 422, "type not_one_of"},
		{"a text without text", "demo-1", `{"from":"12025550111","type":"text"}`, 422, "text required"},
		{"a text with a link of media", "demo-1", `{"from":"12025550111","type":"text","text":"x","url":"https://x.example"}`, 422, "url not_allowed"},
		{"the longest text", "demo-1", `{"from":"12025550111","type":"text","text":"` + long(4096) + `"}`, 202, ""},
		{"a longer text", "demo-1", `{"from":"12025550111","type":"text","text":"` + long(4097) + `"}`, 422, "text too_long, text required"},
		{"a tap on nothing", "demo-1", `{"from":"12025550111","type":"list_reply","text":"x"}`, 422, "reply_id required"},
		{"a tap whose title nobody knows", "demo-1", `{"from":"12025550111","type":"list_reply","reply_id":"x"}`, 422, "text required"},
		{"an image without a link", "demo-1", `{"from":"12025550111","type":"image"}`, 422, "url required"},
		{"an image at no place", "demo-1", `{"from":"12025550111","type":"image","url":"/a.png"}`, 422, "url invalid"},
		{"an image in a file", "demo-1", `{"from":"12025550111","type":"image","url":"file:///a.png"}`, 422, "url invalid"},
		{"an unknown format", "demo-1", `{"from":"12025550111","type":"text","text":"x","format":"v1"}`, 422, "format not_one_of"},
	}
	for _, c := range cases {
		t.Run(c.sentence, func(t *testing.T) {
			w := newWorld(t)
			status, body := w.call("POST", "/simulator/"+c.path+"/messages", c.body)
			if status != c.status || status == 422 && problems(t, body) != c.want {
				t.Errorf("%d %s, want %d %s", status, body, c.status, c.want)
			}
			if (len(w.webhooks) == 1) != (status == 202) {
				t.Errorf("webhooks %v", w.webhooks)
			}
		})
	}
}

func TestTheWebhooksAnswerIsTold(t *testing.T) {
	w := newWorld(t)
	w.status = http.StatusNotFound
	status, body := w.call("POST", "/simulator/whatsapp/messages", `{"from":"12025550111","type":"text","text":"Hola"}`)
	if status != 202 || !strings.Contains(body, `"status":404`) {
		t.Errorf("%d %s", status, body)
	}
	if _, body := w.call("GET", "/simulator/whatsapp/chat?number="+person, ""); !strings.Contains(body, "The webhook answered 404.") {
		t.Errorf("chat %s", body)
	}
}

func TestDeliveryIsToldStepByStep(t *testing.T) {
	w := newWorld(t)
	provider := gupshup.Provider{Now: func() time.Time { return noon }}
	for _, c := range []struct{ path, message string }{{PathMessage, `{"type":"text","text":"Hola"}`}, {PathTemplate, `{"id":"t-1","params":["a","b"]}`}} {
		if status, answer := w.send(c.path, "k1", c.message); status != 202 {
			t.Fatal(answer)
		}
	}
	sent, err := w.Phones.Between("BuzonDemo", person, 0, 10, Entry.fromSystem)
	if err != nil {
		t.Fatal(err)
	}
	pass := func(sentence string, told, failed int, want ...desk.Delivery) {
		t.Helper()
		w.webhooks = nil
		gotTold, gotFailed := w.tellOnce(t.Context())
		if gotTold != told || gotFailed != failed {
			t.Fatalf("%s: told %d, failed %d; want %d, %d", sentence, gotTold, gotFailed, told, failed)
		}
		for i, body := range w.webhooks {
			batch := provider.Parse(channelOf(w.Lines[0]), []byte(body))
			if batch.Rejected != "" || len(batch.Receipts) != 1 {
				t.Fatalf("%s: %s read as %+v", sentence, body, batch)
			}
			r := batch.Receipts[0]
			if r.Status != want[0] || r.SendID != sent[i].ID || r.Destination != person && r.Enqueued {
				t.Errorf("%s: %+v, want %s of %s", sentence, r, want[0], sent[i].ID)
			}
			if !r.Enqueued && r.MessageID != sent[i].WAMID {
				t.Errorf("%s: message %q, want %q", sentence, r.MessageID, sent[i].WAMID)
			}
		}
	}
	pass("both are enqueued", 2, 0, desk.Accepted)
	w.status = http.StatusServiceUnavailable
	pass("the system is away", 0, 2, desk.SentOut)
	w.status = http.StatusOK
	pass("both are sent", 2, 0, desk.SentOut)
	pass("both are delivered", 2, 0, desk.Delivered)
	pass("nobody has read them", 0, 0)
	if status, body := w.call("POST", "/simulator/whatsapp/seen", `{"number":"`+person+`"}`); status != 204 {
		t.Fatalf("seen: %d %s", status, body)
	}
	pass("both are read", 2, 0, desk.Read)
	pass("nothing is left", 0, 0)
	if _, body := w.call("GET", "/simulator/whatsapp/messages?to="+person, ""); strings.Count(body, `"status":"read"`) != 2 {
		t.Errorf("listed %s", body)
	}
}

func TestTellingIsGivenUpInTheEnd(t *testing.T) {
	w := newWorld(t)
	w.status = http.StatusInternalServerError
	if status, answer := w.send(PathMessage, "k1", `{"type":"text","text":"Hola"}`); status != 202 {
		t.Fatal(answer)
	}
	for range maxTries {
		if told, failed := w.tellOnce(t.Context()); told != 0 || failed != 1 {
			t.Fatalf("told %d, failed %d", told, failed)
		}
	}
	if told, failed := w.tellOnce(t.Context()); told+failed != 0 {
		t.Fatalf("after %d tries: told %d, failed %d", maxTries, told, failed)
	}
}

func TestTheClockMovesOnlyForward(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		sentence, body string
		status         int
		want           string
	}{
		{"an hour", `{"advance":"61m"}`, 200, `{"now":"2026-03-01T13:01:00Z"}`},
		{"a second", `{"advance":"1s"}`, 200, `{"now":"2026-03-01T13:01:01Z"}`},
		{"nothing", `{"advance":"0s"}`, 422, "advance out_of_range"},
		{"back", `{"advance":"-1s"}`, 422, "advance out_of_range"},
		{"too far", `{"advance":"8785h"}`, 422, "advance out_of_range"},
		{"no duration", `{"advance":"an hour"}`, 422, "advance invalid"},
		{"a number", `{"advance":61}`, 422, "advance wrong_type"},
		{"no field", `{}`, 422, "advance required"},
		{"another field", `{"advance":"1s","to":"x"}`, 422, "to unknown_field"},
		{"as far as it goes at once", `{"advance":"8784h"}`, 200, `{"now":"2027-03-02T13:01:01Z"}`},
	} {
		status, body := w.call("POST", "/simulator/clock", c.body)
		got := strings.TrimSpace(body)
		if status == 422 {
			got = problems(t, body)
		}
		if status != c.status || got != c.want {
			t.Errorf("%s: %d %s, want %d %s", c.sentence, status, got, c.status, c.want)
		}
	}
	if status, body := w.call("GET", "/simulator/clock", ""); status != 200 || strings.TrimSpace(body) != `{"now":"2027-03-02T13:01:01Z"}` {
		t.Errorf("told: %d %s", status, body)
	}
}

func TestEverythingIsForThisMachineAndThisSite(t *testing.T) {
	const text = `{"from":"12025550111","type":"text","text":"Hola"}`
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/simulator", ""},
		{"GET", "/simulator/phone.css", ""},
		{"GET", "/simulator/phone.js", ""},
		{"GET", "/simulator/reviewer.js", ""},
		{"GET", "/simulator/templates", ""},
		{"GET", "/simulator/clock", ""},
		{"POST", "/simulator/clock", `{"advance":"1s"}`},
		{"GET", "/simulator/notices?to=" + person, ""},
		{"POST", "/simulator/gupshup/templates/t-1/verdict", `{"status":"approved"}`},
		{"GET", "/simulator/whatsapp/messages?to=" + person, ""},
		{"POST", "/simulator/whatsapp/messages", text},
		{"GET", "/simulator/whatsapp/chat?number=" + person, ""},
		{"POST", "/simulator/whatsapp/seen", `{"number":"12025550111"}`},
	} {
		w := newWorld(t)
		if status, body := w.call(c.method, c.path, c.body, "X-Forwarded-For", "192.0.2.1"); status != 404 || len(w.webhooks) != 0 || w.moved != 0 {
			t.Errorf("%s %s through a tunnel: %d %s", c.method, c.path, status, body)
		}
		if c.method == "POST" {
			for _, h := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "http://evil.example"}} {
				if status, body := w.call(c.method, c.path, c.body, h...); status != 403 || len(w.webhooks) != 0 || w.moved != 0 {
					t.Errorf("%s %s with %v: %d %s", c.method, c.path, h, status, body)
				}
			}
			if status, body := w.call(c.method, c.path, c.body, "Content-Type", "text/plain"); status != 415 {
				t.Errorf("%s %s as text/plain: %d %s", c.method, c.path, status, body)
			}
		}
		if status, body := w.call(c.method, c.path, c.body); status/100 != 2 {
			t.Errorf("%s %s from here: %d %s", c.method, c.path, status, body)
		}
	}
}

func TestTheChatShowsWhatAPhoneShows(t *testing.T) {
	w := newWorld(t)
	status, answer := w.call("POST", "/simulator/whatsapp/messages", `{"from":"12025550111","type":"text","text":"Hola"}`)
	if status != 202 {
		t.Fatal(answer)
	}
	for _, c := range []struct{ path, message string }{
		{PathMessage, `{"type":"text","text":"Abra http://x.example/c/1"}`},
		{PathMessage, listMessage(2, "Fila", "Detalle")},
		{PathMessage, buttonMessage(1, "¿Sigue?", "Sí")},
		{PathMessage, `{"type":"image","originalUrl":"https://x.example/a.png","caption":"pie"}`},
		{PathTemplate, `{"id":"t-1","params":["Alumbrado","Categoría 01","s3cret"]}`},
		{PathTemplate, `{"id":"t-1","params":["Agua","Fuga"]}`},
	} {
		if status, answer := w.send(c.path, "k1", c.message); status != 202 {
			t.Fatal(answer)
		}
	}
	status, body := w.call("GET", "/simulator/demo-1/chat?number="+person, "")
	var got struct{ Items []bubble }
	if err := json.Unmarshal([]byte(body), &got); status != 200 || err != nil {
		t.Fatalf("%d %s %v", status, body, err)
	}
	want := []bubble{
		{Mine: true, Text: "Hola"},
		{Text: "Abra http://x.example/c/1"},
		{Text: "Elija", Button: "Ver", Rows: []choice{
			{Title: "Fila", Description: "Detalle", Type: "list_reply", ReplyID: "row_0"},
			{Title: "Fila", Description: "Detalle", Type: "list_reply", ReplyID: "row_1"},
		}},
		{Text: "¿Sigue?", Buttons: []choice{{Title: "Sí", Type: "button_reply", ReplyID: "b_0"}}},
		{Media: "image", Link: "https://x.example/a.png", Text: "pie"},
		{Text: "Su caso de Alumbrado y Categoría 01.", Buttons: []choice{{Title: "Abrir", Link: "http://public.example/c/s3cret"}}},
		{Text: "Su caso de Agua y Fuga.", Buttons: []choice{{Title: "Abrir", Link: "http://public.example/c/{{1}}"}}},
	}
	for i := range want {
		want[i].Seq, want[i].At = uint64(i+1), noon
	}
	if !reflect.DeepEqual(got.Items, want) {
		t.Errorf("got  %+v\nwant %+v", got.Items, want)
	}
	if status, body := w.call("GET", "/simulator/demo-1/chat?number=12025550199", ""); status != 200 || strings.TrimSpace(body) != `{"items":[]}` {
		t.Errorf("a new number: %d %s", status, body)
	}
}

func TestThePageLoadsFromHereAlone(t *testing.T) {
	w := newWorld(t)
	status, body := w.call("GET", "/simulator", "")
	if status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	for _, want := range []string{`<html lang="en">`, "Ciudad", "Tienda", `data-name="Ana"`, "/simulator/phone.js", "/simulator/phone.css"} {
		if !strings.Contains(body, want) {
			t.Errorf("page without %q", want)
		}
	}
	for _, bad := range []string{"http://", "https://", "style=", "onclick=", "<style", "k1"} {
		if strings.Contains(body, bad) {
			t.Errorf("page with %q", bad)
		}
	}
}
