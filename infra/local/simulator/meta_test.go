package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/channel/meta"
	"buzon/internal/desk"
)

// direct is the system's own client of Meta, and number the channel that it speaks for.
func (w *world) direct() meta.Provider {
	return meta.Provider{BaseURL: meta.BaseURL, Now: func() time.Time { return noon }, HTTP: &http.Client{Transport: Direct{w.Meta()}}}
}

func (w *world) number() channel.Account {
	ch := channelOf(w.Lines[1])
	ch.CompanyName = "Ciudad"
	return channel.Account{Channel: ch, Credentials: channel.Credentials{AccessToken: "EAA-1"}}
}

// graphCall makes a request to Meta's stand-in.
func (w *world) graphCall(method, path, authorization, body string) (int, string) {
	r, err := http.NewRequest(method, meta.BaseURL+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Authorization", authorization)
	r.Header.Set("file_offset", "0")
	answer, err := Direct{w.Meta()}.RoundTrip(r)
	if err != nil {
		panic(err)
	}
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		panic(err)
	}
	return answer.StatusCode, string(b)
}

const metaPath = "/v25.0/200000000000101/messages"

// metaList is a list with n rows, and metaButtons a message with n buttons.
func metaList(n int, title, description string) string {
	var rows []string
	for i := range n {
		rows = append(rows, fmt.Sprintf(`{"id":"row_%d","title":%q,"description":%q}`, i, title, description))
	}
	return `"type":"interactive","interactive":{"type":"list","body":{"text":"Elija"},"action":{"button":"Ver","sections":[{"rows":[` + strings.Join(rows, ",") + `]}]}}`
}

func metaButtons(n int, title string) string {
	var buttons []string
	for i := range n {
		buttons = append(buttons, fmt.Sprintf(`{"type":"reply","reply":{"id":"b_%d","title":%q}}`, i, title))
	}
	return `"type":"interactive","interactive":{"type":"button","body":{"text":"?"},"action":{"buttons":[` + strings.Join(buttons, ",") + `]}}`
}

func TestStandInTakesWhatMetaTakes(t *testing.T) {
	const to = `"messaging_product":"whatsapp","to":"12025550111",`
	text := func(s string) string { return to + fmt.Sprintf(`"type":"text","text":{"body":%q}`, s) }
	use := func(name, language, params string) string {
		return to + `"type":"template","template":{"name":"` + name + `","language":{"code":"` + language + `"},"components":[{"type":"body","parameters":[` + params + `]}]}`
	}
	const value = `{"type":"text","text":"Ana"}`
	for _, c := range []struct {
		sentence, message string
		status            int
		answer            string // part of it
	}{
		{"a text", text("Hola"), 200, `"messaging_product":"whatsapp"`},
		{"the longest text", text(long(4096)), 200, ""},
		{"a longer text", text(long(4097)), 400, "at most 4096"},
		{"an empty text", text(" "), 400, "text.body is empty"},
		{"another product", strings.Replace(text("Hola"), "whatsapp", "sms", 1), 400, "messaging_product"},
		{"a number with a plus sign", strings.Replace(text("Hola"), "12025550111", "+12025550111", 1), 200, ""},
		{"no number", strings.Replace(text("Hola"), "12025550111", "me", 1), 400, "to is no number"},
		{"a user id", strings.Replace(text("Hola"), `"to":"12025550111"`, `"recipient":"US.1"`, 1), 200, `"user_id":"US.1"`},
		{"a user id that is none", strings.Replace(text("Hola"), `"to":"12025550111"`, `"recipient":"us1"`, 1), 400, "no user id"},
		{"the longest reference", text("Hola") + `,"biz_opaque_callback_data":"` + strings.Repeat("r", 512) + `"`, 200, ""},
		{"a longer reference", text("Hola") + `,"biz_opaque_callback_data":"` + strings.Repeat("r", 513) + `"`, 400, "at most 512"},
		{"an unknown type", to + `"type":"poll"`, 400, "unknown type"},
		{"a list of 10 rows (S1-13)", to + metaList(10, long(24), long(72)), 200, ""},
		{"a list of 11 rows", to + metaList(11, "A", ""), 400, "list has 11 rows"},
		{"a row title of 25 characters", to + metaList(2, long(25), ""), 400, "row 1 title has 25"},
		{"a description of 73 characters", to + metaList(2, "A", long(73)), 400, "description has 73"},
		{"two rows with one id", to + strings.ReplaceAll(metaList(2, "A", ""), "row_1", "row_0"), 400, "used twice"},
		{"a list without rows", to + metaList(0, "A", ""), 400, "section 1 has no rows"},
		{"3 buttons", to + metaButtons(3, long(20)), 200, ""},
		{"4 buttons", to + metaButtons(4, "A"), 400, "4 buttons, 1 to 3"},
		{"a button of 21 characters", to + metaButtons(1, long(21)), 400, "button 1 title has 21"},
		{"an image by its link", to + `"type":"image","image":{"link":"https://x.example/a.png","caption":"pie"}`, 200, ""},
		{"an image by an id that nobody has", to + `"type":"image","image":{"id":"300000000000009"}`, 400, "Media ID is not valid"},
		{"an image with neither", to + `"type":"image","image":{}`, 400, "either an id or a link"},
		{"an image of nothing", to + `"type":"image"`, 400, "image is missing"},
		{"a sound with a caption", to + `"type":"audio","audio":{"link":"https://x.example/a","caption":"x"}`, 400, "no caption"},
		{"a location", to + `"type":"location","location":{"longitude":1.5,"latitude":2}`, 200, ""},
		{"half a location", to + `"type":"location","location":{"longitude":1.5}`, 400, "latitude"},
		{"a template", use("aviso", "es", value), 200, ""},
		{"a template with too few values", use("aviso", "es", ""), 400, `"code":132000`},
		{"a template with too many values", use("aviso", "es", value+","+value), 400, `"code":132000`},
		{"a template with an empty value", use("aviso", "es", `{"type":"text","text":" "}`), 400, `"code":132000`},
		{"a template in another language", use("aviso", "en", value), 404, `"code":132001`},
		{"a template of another provider", use("create_case", "es", value), 404, `"code":132001`},
		{"types that are wrong", to + `"type":1`, 400, `"code":100`},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := newWorld(t)
			status, answer := w.graphCall("POST", metaPath, "Bearer EAA-1", "{"+c.message+"}")
			if status != c.status || !strings.Contains(answer, c.answer) {
				t.Fatalf("%d %s, want %d with %s", status, answer, c.status, c.answer)
			}
			who := person
			if strings.Contains(c.message, "US.1") {
				who = "US.1"
			}
			kept, err := w.Phones.Between("meta:200000000000101", who, 0, 10, Entry.fromSystem)
			if err != nil || (len(kept) == 1) != (status == 200) {
				t.Fatalf("kept %v, %v", kept, err)
			}
			var a struct{ Messages []struct{ ID string } }
			if err := json.Unmarshal([]byte(answer), &a); status == 200 && (err != nil || len(a.Messages) != 1 || a.Messages[0].ID != kept[0].WAMID) {
				t.Errorf("answer %s, %v; kept %+v", answer, err, kept[0])
			}
		})
	}
}

func TestMetaTokens(t *testing.T) {
	w := newWorld(t)
	const text = `{"messaging_product":"whatsapp","to":"12025550111","type":"text","text":{"body":"Hola"}}`
	for i, c := range []struct {
		path, authorization string
		status              int
	}{
		{metaPath, "Bearer EAA-1", 200}, {metaPath, "Bearer wrong", 401}, {metaPath, "", 401}, {metaPath, "EAA-1", 401}, {metaPath, "OAuth EAA-1", 401},
		{"/v25.0/200000000000104/messages", "Bearer own", 200}, {"/v25.0/200000000000104/messages", "Bearer wrong", 401},
		{"/v25.0/200000000000104/messages", "Bearer own", 200}, {"/v25.0/me/messages", "Bearer own", 400}, {"/v24.0/200000000000104/messages", "Bearer own", 404},
	} {
		if status, answer := w.graphCall("POST", c.path, c.authorization, text); status != c.status {
			t.Errorf("call %d: %d %s, want %d", i, status, answer, c.status)
		}
	}
	if status, body := w.call("GET", "/simulator/demo-4/messages?to="+person, ""); status != 200 || strings.Count(body, `"path"`) != 2 {
		t.Errorf("listed by the channel's id: %d %s", status, body)
	}
	if _, body := w.call("GET", "/simulator/meta/messages?to="+person, ""); strings.Count(body, `"path":"/v25.0/200000000000101/messages"`) != 1 {
		t.Errorf("listed by the line's key: %s", body)
	}
	w.External = map[string]string{"meta": "http://elsewhere.example"}
	if _, body := w.call("GET", "/simulator/meta/messages?to="+person, ""); strings.TrimSpace(body) != `{"items":[],"next_cursor":null}` {
		t.Errorf("with the provider elsewhere: %s", body)
	}
	if told, failed := w.tellOnce(t.Context()); told != 1 || failed != 0 {
		t.Errorf("told %d, failed %d: nobody knows the webhook of the number of no line", told, failed)
	}
}

// TestMetaTemplatesLive: requested with a file, listed over pages, decided, sent, by
// the system's own client.
func TestMetaTemplatesLive(t *testing.T) {
	w := newWorld(t)
	p, a := w.direct(), w.number()
	if err := p.Check(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	image := plainTemplate("con_imagen")
	image.Type = desk.TemplateImage
	code := desk.Template{
		Name: "codigo", Language: "es", Category: desk.CategoryAuthentication, Type: desk.TemplateText, Params: []string{"código"},
		Body: "Tu código de verificación es {{1}}", Buttons: []desk.TemplateButton{{Kind: desk.ButtonOTP, Text: "Copiar código"}},
	}
	var made []channel.Listed
	for _, v := range []desk.Template{image, code} {
		got, err := p.Submit(t.Context(), a, v)
		if err != nil || got.State != "pending" || !graphID.MatchString(got.ProviderID) {
			t.Fatalf("%s: %+v, %v", v.Name, got, err)
		}
		made = append(made, got)
	}
	_, err := p.Submit(t.Context(), a, code)
	var refused *channel.Error
	if !errors.As(err, &refused) || refused.Code != channel.CodeNameTaken {
		t.Errorf("a name that is taken: %v", err)
	}
	send := func(name string, media *desk.MediaLink, otp bool, params ...string) error {
		_, err := p.Send(t.Context(), a, person, desk.Outgoing{
			Type: desk.ReplyTemplate, Template: &desk.TemplateUse{Name: name, Language: "es", Params: params, OTP: otp}, Media: media,
		}, "r-1")
		return err
	}
	if err := send("codigo", nil, true, "123456"); !errors.As(err, &refused) || refused.Code != "132001" {
		t.Errorf("a pending template: %v", err)
	}
	for _, m := range made {
		if status, body := w.call("POST", "/simulator/meta/templates/"+m.ProviderID+"/verdict", `{"status":"approved"}`); status != 202 {
			t.Fatalf("%d %s", status, body)
		}
	}
	if err := send("codigo", nil, true, "123456"); err != nil {
		t.Error(err)
	}
	file := channel.File{Name: "a.png", ContentType: "image/png", Size: 3, Body: strings.NewReader("png")}
	link, err := p.Upload(t.Context(), a, "image", file)
	if err != nil {
		t.Fatal(err)
	}
	if err := send("con_imagen", &link, false, "Ana"); err != nil {
		t.Error(err)
	}
	if err := send("con_imagen", nil, false, "Ana"); !errors.As(err, &refused) || refused.Code != "132000" {
		t.Errorf("without its file: %v", err)
	}
	for state, code := range map[string]string{"paused": "132015", "disabled": "132016", "rejected": "132001", "deleted": "132001"} {
		if _, _, err := w.Phones.Judge("meta", "500000000000001", state, "", noon); err != nil {
			t.Fatal(err)
		}
		if err := send("aviso", nil, false, "Ana"); state != "deleted" && (!errors.As(err, &refused) || refused.Code != code) {
			t.Errorf("%s: %v", state, err)
		}
		if state == "deleted" {
			break
		}
	}
	for i := range 203 {
		if err := w.Phones.AddTemplate(Template{Provider: "meta", Account: "100000000000101", ID: fmt.Sprint(i), Name: fmt.Sprintf("t%d", i), Language: "es", State: "approved"}); err != nil {
			t.Fatal(err)
		}
	}
	var sizes []int
	if err := p.List(t.Context(), a, func(page []channel.Listed) error {
		sizes = append(sizes, len(page))
		return nil
	}); err != nil || len(sizes) != 3 || sizes[0] != 100 || sizes[1] != 100 || sizes[2] < 5 {
		t.Errorf("pages of %v, %v", sizes, err)
	}
	if status, _ := w.call("GET", "/simulator/meta/chat?number="+person, ""); status != 200 {
		t.Errorf("chat: %d", status)
	}
}

func TestRequestsThatMetaRefuses(t *testing.T) {
	request := func(name, components string) string {
		return `{"name":"` + name + `","language":"es","category":"UTILITY","components":[` + components + `]}`
	}
	const body = `{"type":"BODY","text":"Hola {{1}}.","example":{"body_text":[["Ana"]]}}`
	for _, c := range []struct{ sentence, request, problem string }{
		{"all is well", request("aviso_1", body), ""},
		{"the longest name", request(strings.Repeat("a", 512), body), ""},
		{"a longer name", request(strings.Repeat("a", 513), body), "at most 512"},
		{"a name with a capital", request("Aviso", body), "lower case"},
		{"no body", request("aviso_1", ""), "body is missing"},
		{"two bodies", request("aviso_1", body+","+body), "there twice"},
		{"too few examples", request("aviso_1", `{"type":"BODY","text":"Hola {{1}}."}`), "1 variables"},
		{"a file that nobody uploaded", request("aviso_1", body+`,{"type":"HEADER","format":"IMAGE","example":{"header_handle":["4::1"]}}`), "no file that was uploaded"},
		{"a header of text", request("aviso_1", body+`,{"type":"HEADER","format":"TEXT","text":"x"}`), "header without"},
		{"an unknown component", request("aviso_1", body+`,{"type":"CAROUSEL"}`), "unknown component"},
		{"a button too many", request("aviso_1", body+`,{"type":"BUTTONS","buttons":[`+strings.TrimSuffix(strings.Repeat(`{"type":"QUICK_REPLY","text":"Sí"},`, 11), ",")+`]}`), "11 buttons"},
		{"an unknown category", strings.Replace(request("aviso_1", body), "UTILITY", "NEWS", 1), "unknown category"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := newWorld(t)
			status, answer := w.graphCall("POST", "/v25.0/100000000000101/message_templates", "Bearer EAA-1", c.request)
			if (status == 200) != (c.problem == "") || !strings.Contains(answer, c.problem) {
				t.Errorf("%d %s, want %q", status, answer, c.problem)
			}
		})
	}
}

func TestUploadsOfSamplesThatBreakOff(t *testing.T) {
	w := newWorld(t)
	begin := func(query string) (int, string) {
		return w.graphCall("POST", "/v25.0/app/uploads?"+query, "Bearer EAA-1", "")
	}
	for _, query := range []string{"", "file_name=a&file_type=image/png&file_length=0", "file_name=a&file_type=image/png&file_length=x", "file_type=image/png&file_length=3"} {
		if status, body := begin(query); status != 400 {
			t.Errorf("%q: %d %s", query, status, body)
		}
	}
	status, body := begin("file_name=a.png&file_type=image/png&file_length=3")
	var session struct{ ID string }
	if err := json.Unmarshal([]byte(body), &session); status != 200 || err != nil {
		t.Fatalf("%d %s %v", status, body, err)
	}
	for _, c := range []struct {
		sentence, path, authorization, body string
		status                              int
	}{
		{"too short", session.ID, "OAuth EAA-1", "pn", 400},
		{"too long", session.ID, "OAuth EAA-1", "pngs", 400},
		{"no token", session.ID, "Bearer EAA-1", "png", 401},
		{"another one", "upload:300000000099999", "OAuth EAA-1", "png", 400},
		{"no session", "300000000000001", "OAuth EAA-1", "png", 400},
		{"whole", session.ID, "OAuth EAA-1", "png", 200},
		{"again", session.ID, "OAuth EAA-1", "png", 400},
	} {
		if status, body := w.graphCall("POST", "/v25.0/"+c.path, c.authorization, c.body); status != c.status {
			t.Errorf("%s: %d %s, want %d", c.sentence, status, body, c.status)
		}
	}
}

// TestWhatAPersonSendsByMetaIsReadAsItWasMeant: signed, and read by the system's own
// parser.
func TestWhatAPersonSendsByMetaIsReadAsItWasMeant(t *testing.T) {
	for _, c := range []struct {
		sentence, from, body string
		want                 desk.Content // Media and Raw are compared apart
	}{
		{"a text", person, `"type":"text","text":"Hola 👋 ñ"`, desk.Content{Type: desk.Text, Text: "Hola 👋 ñ"}},
		{"a text of somebody without a number", "US.00000000000000000001", `"type":"text","text":"Hola"`, desk.Content{Type: desk.Text, Text: "Hola"}},
		{"a row of a list", person, `"type":"list_reply","reply_id":"row_1"`, desk.Content{Type: desk.ListReply, Text: "Fila", ReplyID: "row_1"}},
		{"a button", person, `"type":"button_reply","text":"Sí","reply_id":"b_0"`, desk.Content{Type: desk.ButtonReply, Text: "Sí", ReplyID: "b_0"}},
		{"a template's button", person, `"type":"quick_reply","text":"Sí"`, desk.Content{Type: desk.QuickReply, Text: "Sí", ReplyID: "Sí"}},
		{"an image", person, `"type":"image","text":"pie","url":"https://x.example/a.png"`, desk.Content{Type: desk.Image, Text: "pie"}},
		{"a file", person, `"type":"file","url":"https://x.example/a.pdf"`, desk.Content{Type: desk.File}},
		{"a location", person, `"type":"location","text":"Plaza"`, desk.Content{
			Type: desk.Location, Place: &desk.Place{Longitude: -74.076, Latitude: 4.5981, Name: "Plaza", Address: "Plaza Mayor 1"},
		}},
		{"a contact", person, `"type":"contact","text":"Bo"`, desk.Content{Type: desk.Contacts}},
		{"a reaction", person, `"type":"reaction","text":"❤️","reply_id":"wamid.x"`, desk.Content{Type: desk.Reaction, Text: "❤️", Quoted: "wamid.x"}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := newWorld(t)
			provider := meta.Provider{Now: func() time.Time { return noon }}
			sent := `{"messaging_product":"whatsapp","to":"12025550111",` + metaList(3, "Fila", "Detalle") + "}"
			if status, answer := w.graphCall("POST", metaPath, "Bearer EAA-1", sent); status != 200 {
				t.Fatal(answer)
			}
			status, answer := w.call("POST", "/simulator/meta/messages", `{"from":"`+c.from+`","name":"Ana",`+c.body+"}")
			if status != 202 || !strings.Contains(answer, `"status":200`) || len(w.webhooks) != 1 {
				t.Fatalf("%d %s, webhooks %v", status, answer, w.webhooks)
			}
			if !provider.Verify(channel.Credentials{AppSecret: "app-secret"}, http.Header{meta.SignatureHeader: w.signed}, []byte(w.webhooks[0])) {
				t.Errorf("signed %s: %s", w.signed[0], w.webhooks[0])
			}
			batch := provider.Parse(channelOf(w.Lines[1]), []byte(w.webhooks[0]))
			if batch.Rejected != "" || len(batch.Changes) != 1 || len(batch.Changes[0].Messages) != 1 || batch.Changes[0].Number != "200000000000101" {
				t.Fatalf("read as %+v: %s", batch, w.webhooks[0])
			}
			m := batch.Changes[0].Messages[0]
			if m.Person != c.from || m.Name != "Ana" || !m.SentAt.Equal(noon) || (m.Content.Media != nil) != strings.Contains(c.body, "url") {
				t.Errorf("read as %+v", m)
			}
			got := m.Content
			got.Media, got.Raw = nil, nil
			if got.Type != desk.Reaction {
				got.Quoted = ""
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("read as %+v, want %+v", got, c.want)
			}
			if status, body := w.call("GET", "/simulator/meta/chat?number="+c.from, ""); status != 200 || !strings.Contains(body, `"mine":true`) {
				t.Errorf("chat %d %s", status, body)
			}
		})
	}
}

func TestDeliveryByMetaIsToldStepByStep(t *testing.T) {
	w := newWorld(t)
	p := w.direct()
	out := desk.Outgoing{Type: desk.ReplyText, Text: "Hola"}
	sent, err := p.Send(t.Context(), w.number(), person, out, "reply-1")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []desk.Delivery{desk.SentOut, desk.Delivered, desk.Read} {
		if want == desk.Read {
			if status, body := w.call("POST", "/simulator/meta/seen", `{"number":"`+person+`"}`); status != 204 {
				t.Fatalf("seen: %d %s", status, body)
			}
		}
		w.webhooks, w.signed = nil, nil
		if told, failed := w.tellOnce(t.Context()); told != 1 || failed != 0 {
			t.Fatalf("%s: told %d, failed %d", want, told, failed)
		}
		batch := p.Parse(channelOf(w.Lines[1]), []byte(w.webhooks[0]))
		if !p.Verify(channel.Credentials{AppSecret: "app-secret"}, http.Header{meta.SignatureHeader: w.signed}, []byte(w.webhooks[0])) ||
			batch.Rejected != "" || len(batch.Changes) != 1 || len(batch.Changes[0].Receipts) != 1 {
			t.Fatalf("%s: %s read as %+v", want, w.webhooks[0], batch)
		}
		if r := batch.Changes[0].Receipts[0]; r.Status != want || r.Ref != "reply-1" || r.MessageID != sent.ProviderID || r.Destination != person {
			t.Errorf("%+v, want %s", r, want)
		}
	}
	if told, failed := w.tellOnce(t.Context()); told+failed != 0 {
		t.Errorf("then told %d, failed %d", told, failed)
	}
}
