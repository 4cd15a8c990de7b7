package simulator

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func encode(values map[string][]string) string { return url.Values(values).Encode() }

// list is a list message with n rows.
func listMessage(n int, title, description string) string {
	var rows []string
	for i := range n {
		rows = append(rows, fmt.Sprintf(`{"type":"text","title":%q,"description":%q,"postbackText":"row_%d"}`, title, description, i))
	}
	return `{"type":"list","title":"","body":"Elija","msgid":"m-1","globalButtons":[{"type":"text","title":"Ver"}],` +
		`"items":[{"title":"","subtitle":"","options":[` + strings.Join(rows, ",") + `]}]}`
}

// buttonMessage is a quick reply with n buttons.
func buttonMessage(n int, text, title string) string {
	var buttons []string
	for i := range n {
		buttons = append(buttons, fmt.Sprintf(`{"type":"text","title":%q,"postbackText":"b_%d"}`, title, i))
	}
	return fmt.Sprintf(`{"type":"quick_reply","msgid":"m-2","content":{"type":"text","text":%q},"options":[%s]}`, text, strings.Join(buttons, ","))
}

func long(n int) string { return strings.Repeat("ñ", n) }

func TestStandInTakesWhatGupshupTakes(t *testing.T) {
	text := func(s string) string { return fmt.Sprintf(`{"type":"text","text":%q}`, s) }
	cases := []struct {
		sentence string
		path     string
		key      string
		message  string
		form     []string
		status   int
		answer   string // part of it
	}{
		{"a text", PathMessage, "k1", text("Hola"), nil, 202, `"status":"submitted"`},
		{"the longest text", PathMessage, "k1", text(long(4096)), nil, 202, ""},
		{"a longer text", PathMessage, "k1", text(long(4097)), nil, 400, "at most 4096"},
		{"an empty text", PathMessage, "k1", text(" "), nil, 400, "text is empty"},
		{"no key", PathMessage, "", text("Hola"), nil, 401, `{"message":{"message":"Authentication Failed"},"status":"error"}`},
		{"a wrong key", PathMessage, "k2", text("Hola"), nil, 401, "Authentication Failed"},
		{"no app", PathMessage, "k1", text("Hola"), []string{"src.name", ""}, 400, "Mapped Bot Not Found"},
		{"another channel", PathMessage, "k1", text("Hola"), []string{"channel", "sms"}, 400, "Invalid Channel"},
		{"a destination with a plus sign", PathMessage, "k1", text("Hola"), []string{"destination", "+12025550111"}, 400, "Invalid Destination"},
		{"no destination", PathMessage, "k1", text("Hola"), []string{"destination", ""}, 400, "Invalid Destination"},
		{"a source that is no number", PathMessage, "k1", text("Hola"), []string{"source", "me"}, 400, "Invalid Source"},
		{"no message", PathMessage, "k1", "", []string{"message", ""}, 400, "Invalid message"},
		{"a message that is not JSON", PathMessage, "k1", `{"type":`, nil, 400, "Invalid message JSON"},
		{"an unknown type", PathMessage, "k1", `{"type":"poll"}`, nil, 400, "unknown type"},
		{"a list of one row", PathMessage, "k1", listMessage(1, "A", ""), nil, 202, ""},
		{"a list of 10 rows (S1-13)", PathMessage, "k1", listMessage(10, long(24), long(72)), nil, 202, ""},
		{"a list of 11 rows", PathMessage, "k1", listMessage(11, "A", ""), nil, 400, "list has 11 rows"},
		{"a list without rows", PathMessage, "k1", listMessage(0, "A", ""), nil, 400, "section 1 has no rows"},
		{"a row title of 25 characters", PathMessage, "k1", listMessage(2, long(25), ""), nil, 400, "row 1 title has 25 characters, at most 24"},
		{"a row title with a line break", PathMessage, "k1", listMessage(2, "a\nb", ""), nil, 400, "line break"},
		{"a description of 73 characters", PathMessage, "k1", listMessage(2, "A", long(73)), nil, 400, "description has 73"},
		{"two rows with one postback text", PathMessage, "k1", strings.ReplaceAll(listMessage(2, "A", ""), "row_1", "row_0"), nil, 400, "used twice"},
		{"a list without its button", PathMessage, "k1", strings.Replace(listMessage(2, "A", ""), `{"type":"text","title":"Ver"}`, "", 1), nil, 400, "0 globalButtons"},
		{"a list without a body", PathMessage, "k1", strings.Replace(listMessage(2, "A", ""), "Elija", "", 1), nil, 400, "body is empty"},
		{"a list with the longest body", PathMessage, "k1", strings.Replace(listMessage(2, "A", ""), "Elija", long(1024), 1), nil, 202, ""},
		{"a list with a longer body", PathMessage, "k1", strings.Replace(listMessage(2, "A", ""), "Elija", long(1025), 1), nil, 400, "body has 1025"},
		{"3 buttons", PathMessage, "k1", buttonMessage(3, long(1024), long(20)), nil, 202, ""},
		{"4 buttons", PathMessage, "k1", buttonMessage(4, "?", "A"), nil, 400, "4 buttons, 1 to 3"},
		{"no buttons", PathMessage, "k1", buttonMessage(0, "?", "A"), nil, 400, "0 buttons, 1 to 3"},
		{"a button of 21 characters", PathMessage, "k1", buttonMessage(1, "?", long(21)), nil, 400, "button 1 title has 21"},
		{"an image", PathMessage, "k1", `{"type":"image","originalUrl":"https://x.example/a.jpg","previewUrl":"","caption":""}`, nil, 202, ""},
		{"an image with a null caption", PathMessage, "k1", `{"type":"image","originalUrl":"https://x.example/a.jpg","caption":null}`, nil, 400, "caption is null"},
		{"a file without a link", PathMessage, "k1", `{"type":"file","caption":""}`, nil, 400, "url is required"},
		{"a location", PathMessage, "k1", `{"type":"location","longitude":1.5,"latitude":2}`, nil, 202, ""},
		{"half a location", PathMessage, "k1", `{"type":"location","longitude":1.5}`, nil, 400, "latitude"},
		{"a template", PathTemplate, "k1", `{"id":"t-1","params":["Ana","x"]}`, nil, 202, ""},
		{"a template with the value of its button", PathTemplate, "k1", `{"id":"t-1","params":["Ana","x","s"]}`, nil, 202, ""},
		{"a template with too few values", PathTemplate, "k1", `{"id":"t-1","params":["Ana"]}`, nil, 400, `"code":"4003"`},
		{"a template with too many values", PathTemplate, "k1", `{"id":"t-1","params":["Ana","x","s","t"]}`, nil, 400, `"code":"4003"`},
		{"a template with its file", PathTemplate, "k1", `{"id":"t-img","params":[]}`, []string{"message", `{"type":"image","image":{"link":"https://x.example"}}`}, 202, ""},
		{"a template without its file", PathTemplate, "k1", `{"id":"t-img","params":[]}`, nil, 400, "header is not of type image"},
		{"a template with another file", PathTemplate, "k1", `{"id":"t-img","params":[]}`, []string{"message", `{"type":"video"}`}, 400, "header is not of type image"},
		{"a text template with a file", PathTemplate, "k1", `{"id":"t-1","params":["a","b"]}`, []string{"message", `{"type":"image"}`}, 400, "header is not of type text"},
		{"a template that the list does not have", PathTemplate, "k1", `{"id":"t-9","params":[]}`, nil, 400, `"code":"4003"`},
		{"a template of another provider", PathTemplate, "k1", `{"id":"500000000000001","params":["a"]}`, nil, 400, `"code":"4003"`},
		{"a template of another app", PathTemplate, "k2", `{"id":"t-1","params":["a","b"]}`, []string{"src.name", "BuzonOther"}, 400, `"code":"4003"`},
		{"an unknown template of an app of no line", PathTemplate, "own", `{"id":"t-9","params":["a"]}`, []string{"src.name", "Another"}, 202, ""},
		{"a template with a broken file", PathTemplate, "k1", `{"id":"t-1","params":["a","b"]}`, []string{"message", `{`}, 400, "Invalid message JSON"},
		{"a template without an id", PathTemplate, "k1", `{"params":["Ana"]}`, nil, 400, "template id is empty"},
		{"a template with an empty parameter", PathTemplate, "k1", `{"id":"t-1","params":[""]}`, nil, 400, "param 1 is empty"},
		{"a template with a line break in a parameter", PathTemplate, "k1", `{"id":"t-1","params":["a\nb"]}`, nil, 400, "line break"},
		{"a path that Gupshup does not have", "/wa/api/v2/msg", "k1", text("Hola"), nil, 404, ""},
	}
	for _, c := range cases {
		t.Run(c.sentence, func(t *testing.T) {
			w := newWorld(t)
			status, answer := w.send(c.path, c.key, c.message, c.form...)
			if status != c.status || !strings.Contains(answer, c.answer) {
				t.Fatalf("%d %s, want %d with %s", status, answer, c.status, c.answer)
			}
			app := "BuzonDemo"
			if len(c.form) > 1 && c.form[0] == "src.name" && c.form[1] != "" {
				app = c.form[1]
			}
			kept, err := w.Phones.Between(app, person, 0, 10, Entry.fromSystem)
			if err != nil || (len(kept) == 1) != (status == 202) {
				t.Fatalf("kept %v, %v", kept, err)
			}
			if status != 202 {
				return
			}
			var a struct{ MessageID string }
			if err := json.Unmarshal([]byte(answer), &a); err != nil || a.MessageID != kept[0].ID || kept[0].Path != c.path {
				t.Errorf("answer %s, %v; kept %+v", answer, err, kept[0])
			}
		})
	}
}

func TestStandInKnowsAnyOtherAppByItsFirstKey(t *testing.T) {
	w := newWorld(t)
	for i, c := range []struct {
		key    string
		status int
	}{{"own", 202}, {"own", 202}, {"wrong", 401}, {"", 401}, {"own", 202}} {
		if status, answer := w.send(PathMessage, c.key, `{"type":"text","text":"Hola"}`, "src.name", "Another"); status != c.status {
			t.Errorf("send %d with key %q: %d %s, want %d", i, c.key, status, answer, c.status)
		}
	}
	if status, body := w.call("GET", "/simulator/demo-2/messages?to="+person, ""); status != 200 || strings.Count(body, `"path"`) != 3 {
		t.Errorf("listed: %d %s", status, body)
	}
	told, failed := w.tellOnce(t.Context())
	if told+failed != 0 || len(w.webhooks) != 0 {
		t.Errorf("told %d, failed %d: nobody knows that app's webhook", told, failed)
	}
}

func TestMessagesAreListedInPages(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		if status, answer := w.send(PathMessage, "k1", fmt.Sprintf(`{"type":"text","text":"%d"}`, i)); status != 202 {
			t.Fatal(answer)
		}
	}
	if status, answer := w.send(PathMessage, "k1", `{"type":"text","text":"for another"}`, "destination", "12025550112"); status != 202 {
		t.Fatal(answer)
	}
	var got []string
	cursor := ""
	for range 3 {
		status, body := w.call("GET", "/simulator/whatsapp/messages?limit=2&to=%2B"+person+cursor, "")
		var page struct {
			Items []struct {
				At      string
				Path    string
				Message struct{ Type, Text string }
			}
			NextCursor *string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(body), &page); status != 200 || err != nil {
			t.Fatalf("%d %s %v", status, body, err)
		}
		for _, it := range page.Items {
			got = append(got, it.Message.Text)
			if it.At != "2026-03-01T12:00:00Z" || it.Path != PathMessage || it.Message.Type != "text" {
				t.Errorf("item %+v", it)
			}
		}
		if page.NextCursor == nil {
			break
		}
		cursor = "&cursor=" + *page.NextCursor
	}
	if s := strings.Join(got, ""); s != "01234" {
		t.Errorf("listed %q, want 01234", s)
	}
	for query, want := range map[string]string{
		"":                               "to required",
		"?to=abc":                        "to invalid_phone",
		"?to=" + person + "&limit=0":     "limit out_of_range",
		"?to=" + person + "&limit=101":   "limit out_of_range",
		"?to=" + person + "&cursor=x&to": "cursor invalid",
	} {
		if status, body := w.call("GET", "/simulator/demo-1/messages"+query, ""); status != 422 || problems(t, body) != want {
			t.Errorf("%s: %d %s, want %s", query, status, body, want)
		}
	}
	if status, _ := w.call("GET", "/simulator/demo-9/messages?to="+person, ""); status != 404 {
		t.Errorf("unknown channel: %d", status)
	}
	w.External = map[string]string{"gupshup": "http://elsewhere.example"}
	if _, body := w.call("GET", "/simulator/whatsapp/messages?to="+person, ""); strings.TrimSpace(body) != `{"items":[],"next_cursor":null}` {
		t.Errorf("with the provider elsewhere: %s", body)
	}
}

func TestTheLogForgetsTheOldest(t *testing.T) {
	w := newWorld(t)
	w.Phones.most = 2
	for range 5 {
		if _, err := w.Phones.Add(Entry{App: "a", Number: person, ID: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := w.Phones.Between("a", person, 0, 10, Entry.fromSystem)
	owed, err2 := w.Phones.Owed(10)
	if err != nil || err2 != nil || len(kept) != 2 || len(owed) != 2 || kept[0].Seq != 4 || kept[1].Seq != 5 {
		t.Errorf("kept %v, %v; owed %v, %v; want the last two", kept, err, owed, err2)
	}
}
