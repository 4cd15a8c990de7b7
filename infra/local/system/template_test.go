package system

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"buzon/infra/local/simulator"
)

// templateView is a template as the API shows it.
type templateView struct {
	ID            string
	Status        string
	ProviderID    string `json:"provider_id"`
	ProviderState string `json:"provider_state"`
	Active        bool
	Sendable      bool
	Reason        string
}

func (r *run) template(id string) templateView {
	r.t.Helper()
	var v templateView
	r.want(200, "GET", "/v1/templates/"+id, r.demo.AdminToken, "", &v)
	return v
}

// verdict plays the provider's reviewer and waits until all is handled.
func (r *run) verdict(providerID, fields string) {
	r.t.Helper()
	var answer struct{ Status int }
	r.want(202, "POST", "/simulator/gupshup/templates/"+providerID+"/verdict", "", "{"+fields+"}", &answer)
	if answer.Status != 200 {
		r.t.Fatalf("webhook answered %d", answer.Status)
	}
	r.eventually("the verdict is handled", r.idle)
}

// request requests a template and waits until the provider has it.
func (r *run) request(body string) templateView {
	r.t.Helper()
	var v templateView
	r.want(201, "POST", "/v1/channels/"+r.demo.Channels["whatsapp"].ID+"/templates", r.demo.AdminToken, body, &v)
	if v.Status != "pending" || v.Sendable {
		r.t.Fatalf("requested: %+v", v)
	}
	r.eventually("the provider has the template", func() bool {
		v = r.template(v.ID)
		return v.ProviderID != ""
	})
	return v
}

// TestATemplateFromItsRequestToATicket: requested, approved by the reviewer, sent, and
// its quick reply makes a case; a forged approval does nothing (R12).
func TestATemplateFromItsRequestToATicket(t *testing.T) {
	r := start(t, folder(t), nil)
	v := r.request(`{"name":"pedido_listo","display_name":"Pedido listo","language":"es","category":"utility","type":"text",` +
		`"body":"Hola {{1}}, su pedido está listo.","params":["nombre"],"buttons":[{"kind":"quick_reply","text":"Tengo una queja"}]}`)
	if v.ProviderState != "pending" {
		t.Errorf("at the provider it is %+v", v)
	}
	r.verdict(v.ProviderID, `"status":"approved","forged":true`)
	if got := r.template(v.ID); got.Status != "pending" || got.Sendable {
		t.Fatalf("after a forged approval: %+v", got)
	}
	send := func(status int) (id string) {
		t.Helper()
		var m struct{ ID string }
		r.want(status, "POST", "/v1/templates/"+v.ID+"/messages", r.demo.AdminToken, `{"number":"+`+somebody+`","params":{"nombre":"Eva"}}`, &m)
		return m.ID
	}
	send(409)
	r.verdict(v.ProviderID, `"status":"approved"`)
	if got := r.template(v.ID); got.Status != "approved" || !got.Sendable {
		t.Fatalf("after the approval: %+v", got)
	}
	message := send(201)
	sent := r.after(somebody, 0)
	if sent.Path != simulator.PathTemplate || len(sent.Message.Template.Params) != 1 || sent.Message.Template.Params[0] != "Eva" {
		t.Fatalf("sent %+v", sent)
	}
	r.want(202, "POST", "/simulator/whatsapp/messages", "", `{"from":"`+somebody+`","type":"quick_reply","text":"Tengo una queja"}`, nil)
	var cases struct {
		Items []struct{ Title, Source, Priority, State, Message, Conversation string }
	}
	r.atRest("the tap makes a case", func() bool {
		r.want(200, "GET", "/v1/cases", r.demo.AdminToken, "", &cases)
		return len(cases.Items) > 0
	})
	got := cases.Items[0]
	if len(cases.Items) != 1 || got.Title != "Tengo una queja" || got.Source != "whatsapp" || got.Priority != "medium" || got.State != "new" ||
		got.Message != message || got.Conversation == "" {
		t.Errorf("cases %+v, of message %s", cases.Items, message)
	}
	if n := len(r.sent(somebody)); n != 1 {
		t.Errorf("%d messages were sent: a tap on a template gets no answer", n)
	}
	r.verdict(v.ProviderID, `"status":"paused"`)
	send(409)
}

// TestAReviewersVerdictForbids: what forbids takes effect; an approval is only a hint
// until the list says it, and a template that was rejected is switched on by a person
// (R12).
func TestAReviewersVerdictForbids(t *testing.T) {
	r := start(t, folder(t), nil)
	demo := r.plan.Demo.Templates[0]
	r.verdict(demo.ProviderID, `"status":"rejected","reason":"INVALID_FORMAT"`)
	if got := r.template(demo.ID); got.Status != "rejected" || got.ProviderState != "rejected" || got.Reason != "INVALID_FORMAT" || got.Active {
		t.Errorf("after the rejection: %+v", got)
	}
	r.verdict(demo.ProviderID, `"status":"approved","forged":true`)
	if got := r.template(demo.ID); got.ProviderState != "rejected" {
		t.Errorf("after a forged approval: %+v", got)
	}
	r.verdict(demo.ProviderID, `"status":"approved"`)
	if got := r.template(demo.ID); got.ProviderState != "approved" || got.Active || got.Sendable {
		t.Errorf("after the approval: %+v", got)
	}
	r.want(200, "PUT", "/v1/templates/"+demo.ID+"/active", r.demo.AdminToken, `{"active":true}`, nil)
	if got := r.template(demo.ID); !got.Sendable {
		t.Errorf("switched on: %+v", got)
	}
	// Without a callback only a reading of the list shows it.
	r.want(202, "POST", "/simulator/gupshup/templates/"+demo.ProviderID+"/verdict", "", `{"status":"disabled","silent":true}`, nil)
	if got := r.template(demo.ID); !got.Sendable {
		t.Errorf("before the list is read: %+v", got)
	}
	r.want(202, "POST", "/v1/channels/"+demo.Channel+"/templates/sync", r.demo.AdminToken, "", nil)
	r.eventually("the list is read", func() bool { return r.template(demo.ID).ProviderState == "disabled" })
	r.want(404, "POST", "/simulator/gupshup/templates/unknown/verdict", "", `{"status":"approved"}`, nil)
}

// TestATemplateWithAFile: the file goes by an upload form to the file store, and from
// there to the provider.
func TestATemplateWithAFile(t *testing.T) {
	r := start(t, folder(t), nil)
	v := r.request(`{"name":"con_foto","display_name":"Con foto","language":"es","category":"marketing","type":"image","body":"Mire nuestras novedades de hoy."}`)
	r.verdict(v.ProviderID, `"status":"approved"`)
	var upload struct {
		ID, URL string
		Fields  map[string]string
	}
	r.want(201, "POST", "/v1/uploads", r.demo.AdminToken, `{"kind":"image","name":"foto.png","content_type":"image/png"}`, &upload)
	var file, form bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	w := multipart.NewWriter(&form)
	for name, value := range upload.Fields {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("file", "foto.png")
	if err == nil {
		_, err = part.Write(file.Bytes())
	}
	if err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, upload.URL, &form)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	res, err := r.client.Do(req)
	if err != nil || res.StatusCode/100 != 2 {
		t.Fatalf("upload: %v, %v", res, err)
	}
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
	r.want(201, "POST", "/v1/templates/"+v.ID+"/messages", r.demo.AdminToken, `{"number":"`+somebody+`","params":{},"upload":"`+upload.ID+`"}`, nil)
	r.after(somebody, 0)
	var chat struct {
		Items []struct{ Text, Media string }
	}
	r.want(200, "GET", "/simulator/whatsapp/chat?number="+somebody, "", "", &chat)
	if len(chat.Items) != 1 || !strings.HasPrefix(chat.Items[0].Media, "image: ") || !strings.Contains(chat.Items[0].Media, "bytes") || chat.Items[0].Text != "Mire nuestras novedades de hoy." {
		t.Errorf("shown %+v", chat.Items)
	}
}

// TestAChannelOfOnesOwn: requested, approved with any credentials, it has templates and
// sends as those of the demo do; the simulator knows no webhook of it.
func TestAChannelOfOnesOwn(t *testing.T) {
	r := start(t, folder(t), nil)
	var made struct{ ID string }
	r.want(201, "POST", "/v1/channels", r.demo.AdminToken,
		`{"kind":"whatsapp","provider":"gupshup","company":{"name":"Obras"},"requester":{"name":"Bo","email":"bo@demo.example"}}`, &made)
	r.want(200, "POST", "/v1/channels/"+made.ID+"/approval", r.demo.AdminToken,
		`{"identifier":"12025550102","credentials":{"app":"Obras","app_id":"obras-1","api_key":"own-key"}}`, nil)
	var v templateView
	r.want(201, "POST", "/v1/channels/"+made.ID+"/templates", r.demo.AdminToken,
		`{"name":"aviso","display_name":"Aviso","language":"es","category":"utility","type":"text","body":"Mañana no hay servicio en su calle."}`, &v)
	r.atRest("the provider has the template", func() bool {
		v = r.template(v.ID)
		return v.ProviderID != ""
	})
	var answer map[string]any
	r.want(202, "POST", "/simulator/gupshup/templates/"+v.ProviderID+"/verdict", "", `{"status":"approved"}`, &answer)
	if callback, there := answer["callback"]; !there || callback != nil {
		t.Errorf("answer %v", answer)
	}
	r.want(202, "POST", "/v1/channels/"+made.ID+"/templates/sync", r.demo.AdminToken, "", nil)
	r.eventually("the list is read", func() bool { return r.template(v.ID).Sendable })
	r.want(201, "POST", "/v1/templates/"+v.ID+"/messages", r.demo.AdminToken, `{"number":"`+somebody+`","params":{}}`, nil)
	r.eventually("it is sent", func() bool { return len(listed[json.RawMessage](r, made.ID, somebody)) == 1 })
}
