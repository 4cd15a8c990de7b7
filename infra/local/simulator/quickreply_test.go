package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"

	"buzon/internal/channel/gupshup"
	"buzon/internal/desk"
)

// TestATapOnATemplateNamesItsMessage: the one that is asked for, else the newest with
// quick replies to that number; in every format.
func TestATapOnATemplateNamesItsMessage(t *testing.T) {
	w := newWorld(t)
	const header = `{"type":"image","image":{"link":"https://x.example/a.png"}}`
	var ids []string
	for range 2 {
		status, answer := w.send(PathTemplate, "k1", `{"id":"t-img","params":[]}`, "message", header)
		var a struct{ MessageID string }
		if err := json.Unmarshal([]byte(answer), &a); status != 202 || err != nil {
			t.Fatal(answer)
		}
		ids = append(ids, a.MessageID)
	}
	for _, m := range []struct{ path, message, to string }{
		{PathTemplate, `{"id":"t-1","params":["a","b"]}`, person}, {PathMessage, `{"type":"text","text":"Hola"}`, person},
		{PathTemplate, `{"id":"t-1","params":["a","b"]}`, "12025550112"},
	} {
		if status, answer := w.send(m.path, "k1", m.message, "destination", m.to); status != 202 {
			t.Fatal(answer)
		}
	}
	provider := gupshup.Provider{Now: func() time.Time { return noon }}
	for _, c := range []struct{ sentence, from, replyID, want string }{
		{"the first", person, ids[0], ids[0]},
		{"the second", person, ids[1], ids[1]},
		{"none is named", person, "", ids[1]},
		{"one that is nobody's", person, "payload-1", ""},
		{"somebody whose template has none", "12025550112", "", ""},
	} {
		for _, format := range []string{"v2", "v3"} {
			w.webhooks = nil
			body := fmt.Sprintf(`{"from":%q,"type":"quick_reply","text":"Me interesa","reply_id":%q,"format":%q}`, c.from, c.replyID, format)
			if status, answer := w.call("POST", "/simulator/whatsapp/messages", body); status != 202 || len(w.webhooks) != 1 {
				t.Fatalf("%s: %d %s", c.sentence, status, answer)
			}
			batch := provider.Parse(channelOf(w.Lines[0]), []byte(w.webhooks[0]))
			if batch.Rejected != "" || len(batch.Messages) != 1 {
				t.Fatalf("%s: read as %+v", c.sentence, batch)
			}
			got := batch.Messages[0].Content
			if got.Type != desk.QuickReply || got.Text != "Me interesa" || got.Quoted != c.want {
				t.Errorf("%s, %s: read as %+v, want one that answers %q", c.sentence, format, got, c.want)
			}
		}
	}
}

// TestTheChatShowsTemplatesWithTheirButtonsAndFiles at both providers.
func TestTheChatShowsTemplatesWithTheirButtonsAndFiles(t *testing.T) {
	w := newWorld(t)
	file, err := w.Phones.AddFile(File{App: w.Lines[0].AppID, Name: "a.png", Type: "image/png", Size: 3})
	if err != nil {
		t.Fatal(err)
	}
	header := `{"type":"image","image":{"link":"https://filemanager.gupshup.io/wa/app/wa/media/` + file + `?download=false"}}`
	if status, answer := w.send(PathTemplate, "k1", `{"id":"t-img","params":[]}`, "message", header); status != 202 {
		t.Fatal(answer)
	}
	chat := func(line string) bubble {
		t.Helper()
		status, body := w.call("GET", "/simulator/"+line+"/chat?number="+person, "")
		var got struct{ Items []bubble }
		if err := json.Unmarshal([]byte(body), &got); status != 200 || err != nil || len(got.Items) != 1 {
			t.Fatalf("%d %s %v", status, body, err)
		}
		return got.Items[0]
	}
	got := chat("whatsapp")
	sent, err := w.Phones.Between("BuzonDemo", person, 0, 1, Entry.fromSystem)
	if err != nil {
		t.Fatal(err)
	}
	tap := func(title, id string) choice { return choice{Title: title, Type: "quick_reply", ReplyID: id} }
	want := bubble{
		Seq: got.Seq, At: noon, Text: "Mire.", Media: "image: a.png, 3 bytes",
		Buttons: []choice{tap("Me interesa", sent[0].ID), tap("No", sent[0].ID)},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("at Gupshup %+v, want %+v", got, want)
	}
	body := `{"messaging_product":"whatsapp","to":"12025550111","type":"template","template":{"name":"aviso","language":{"code":"es"},` +
		`"components":[{"type":"body","parameters":[{"type":"text","text":"Ana"}]}]}}`
	if status, answer := w.graphCall("POST", metaPath, "Bearer EAA-1", body); status != http.StatusOK {
		t.Fatal(answer)
	}
	got = chat("meta")
	if got.Text != "Hola Ana." || len(got.Buttons) != 1 || got.Buttons[0].Title != "Gracias" || got.Buttons[0].ReplyID == "" {
		t.Errorf("at Meta %+v", got)
	}
	if status, body := w.call("POST", "/simulator/meta/messages", `{"from":"12025550111","type":"quick_reply","text":"Gracias"}`); status != 202 {
		t.Fatalf("%d %s", status, body)
	}
	batch := w.direct().Parse(channelOf(w.Lines[1]), []byte(w.webhooks[0]))
	if len(batch.Changes) != 1 || len(batch.Changes[0].Messages) != 1 || batch.Changes[0].Messages[0].Content.Quoted != got.Buttons[0].ReplyID {
		t.Errorf("the tap is read as %+v", batch)
	}
}
