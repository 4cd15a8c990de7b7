package simulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"buzon/internal/channel"
	"buzon/internal/channel/gupshup"
	"buzon/internal/desk"
)

// plainTemplate is a template that everybody takes.
func plainTemplate(name string) desk.Template {
	return desk.Template{
		Name: name, DisplayName: "Aviso", Language: "es", Category: desk.CategoryUtility, Type: desk.TemplateText,
		Body: "Hola {{1}}, su pedido salió.", Params: []string{"nombre"}, Samples: []string{"Ana"},
		Buttons: []desk.TemplateButton{{Kind: desk.ButtonQuickReply, Text: "Sí"}, {Kind: desk.ButtonQuickReply, Text: "No"}},
	}
}

// TestTemplatesAreRequestedAndListed by the system's own client: of every type, once
// per name and language.
func TestTemplatesAreRequestedAndListed(t *testing.T) {
	w := newWorld(t)
	p, a := w.gupshup(), w.account()
	image := plainTemplate("con_imagen")
	image.Type, image.Buttons = desk.TemplateImage, []desk.TemplateButton{
		{Kind: desk.ButtonURL, Text: "Ver", URL: "https://shop.example/{{1}}"}, {Kind: desk.ButtonPhone, Text: "Llamar", Phone: "+12025550100"},
	}
	image.Samples = append(image.Samples, "A-100")
	code := desk.Template{
		Name: "codigo", Language: "es", Category: desk.CategoryAuthentication, Type: desk.TemplateText, Params: []string{"código"},
		Body: "Tu código de verificación es {{1}}", Buttons: []desk.TemplateButton{{Kind: desk.ButtonOTP, Text: "Copiar código"}},
	}
	english := plainTemplate("aviso")
	english.Language = "en"
	for _, v := range []desk.Template{plainTemplate("aviso"), english, image, code} {
		got, err := p.Submit(t.Context(), a, v)
		if err != nil || got.State != "pending" || got.ProviderID == "" || got.Name != v.Name || got.Language != v.Language || got.Category != v.Category {
			t.Fatalf("%s: %+v, %v", v.Name, got, err)
		}
	}
	_, err := p.Submit(t.Context(), a, plainTemplate("aviso"))
	var refused *channel.Error
	if !errors.As(err, &refused) || refused.Verdict != channel.Refused || refused.Code != channel.CodeNameTaken {
		t.Errorf("a name that is taken: %v", err)
	}
	var names []string
	if err := p.List(t.Context(), a, func(page []channel.Listed) error {
		for _, l := range page {
			names = append(names, l.Name+" "+l.Language+" "+l.State)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := "create_case es approved, foto es approved, aviso es pending, aviso en pending, con_imagen es pending, codigo es pending"
	if got := strings.Join(names, ", "); got != want {
		t.Errorf("listed %s, want %s", got, want)
	}
	if err := p.Check(t.Context(), a); err != nil {
		t.Error(err)
	}
	a.Credentials.APIKey = "wrong"
	if err := p.Check(t.Context(), a); !errors.As(err, &refused) || refused.Verdict != channel.ChannelDown {
		t.Errorf("a wrong key: %v", err)
	}
}

func TestTheListComesInPages(t *testing.T) {
	w := newWorld(t)
	p := w.gupshup()
	a := channel.Account{Channel: desk.Channel{AppID: "far-app"}, Credentials: channel.Credentials{APIKey: "far"}}
	for i := range 201 {
		if err := w.Phones.AddTemplate(Template{Provider: "gupshup", Account: "far-app", ID: fmt.Sprint(i), Name: fmt.Sprintf("t%d", i), Language: "es", State: "approved"}); err != nil {
			t.Fatal(err)
		}
	}
	var sizes []int
	seen := map[string]bool{}
	if err := p.List(t.Context(), a, func(page []channel.Listed) error {
		sizes = append(sizes, len(page))
		for _, l := range page {
			seen[l.ProviderID] = true
		}
		return nil
	}); err != nil || fmt.Sprint(sizes) != "[100 100 1]" || len(seen) != 201 {
		t.Errorf("pages of %v, %d templates, %v", sizes, len(seen), err)
	}
	for query, status := range map[string]int{"": 200, "?pageSize=100": 200, "?pageSize=101": 400, "?pageSize=0": 400, "?pageNo=-1": 400, "?pageNo=x": 400, "?pageNo=2000": 200} {
		if got, body := w.request("GET", "/wa/app/far-app/template"+query, "far", "", ""); got != status {
			t.Errorf("%s: %d %s, want %d", query, got, body, status)
		}
	}
}

// request makes a request to Gupshup's stand-in.
func (w *world) request(method, path, key, kind, body string) (int, string) {
	r, err := http.NewRequest(method, gupshup.BaseURL+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("apikey", key)
	r.Header.Set("Content-Type", kind)
	answer, err := Direct{w.Gupshup()}.RoundTrip(r)
	if err != nil {
		panic(err)
	}
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		panic(err)
	}
	return answer.StatusCode, string(b)
}

// goodRequest is the form of a template with everything.
func goodRequest() url.Values {
	return url.Values{
		"elementName": {"aviso_1"}, "languageCode": {"es"}, "category": {"UTILITY"}, "templateType": {"TEXT"}, "vertical": {"Aviso"},
		"content": {"Hola {{1}}."}, "example": {"Hola Ana."}, "enableSample": {"true"},
	}
}

func TestRequestsThatGupshupRefuses(t *testing.T) {
	buttons := func(n int, one string) string { return "[" + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + "]" }
	const quick = `{"type":"QUICK_REPLY","text":"Sí"}`
	link := `{"type":"URL","text":"Ver","url":"https://x.example/"}`
	for _, c := range []struct {
		sentence, field, value, problem string
	}{
		{"all is well", "vertical", "Aviso", ""},
		{"the longest name", "elementName", strings.Repeat("a", 180), ""},
		{"a longer name", "elementName", strings.Repeat("a", 181), "at most 180"},
		{"a name with a capital", "elementName", "Aviso", "lower case"},
		{"no name", "elementName", "", "lower case"},
		{"a language that is none", "languageCode", "español", "not a language"},
		{"an unknown category", "category", "NEWS", "unknown category"},
		{"an unknown type", "templateType", "POLL", "unknown templateType"},
		{"an image without a sample", "templateType", "IMAGE", "without a sample"},
		{"no label", "vertical", "", "vertical is empty"},
		{"the longest label", "vertical", strings.Repeat("ñ", 180), ""},
		{"a longer label", "vertical", strings.Repeat("ñ", 181), "at most 180"},
		{"no body", "content", "", "content is empty"},
		{"a variable twice", "content", "Hola {{1}} {{1}}.", "example does not match"},
		{"a gap in the variables", "content", "Hola {{2}}.", "not {{1}} to {{1}}"},
		{"braces that are open", "content", "Hola {{1}} {{.", "braces"},
		{"another example", "example", "Adiós Ana.", "example does not match"},
		{"an example without a value", "example", "Hola .", "example does not match"},
		{"no sample", "enableSample", "false", "enableSample"},
		{"10 buttons", "buttons", buttons(10, quick), ""},
		{"11 buttons", "buttons", buttons(11, quick), "11 buttons"},
		{"2 addresses", "buttons", buttons(2, link), ""},
		{"3 addresses", "buttons", buttons(3, link), "3 buttons of URL"},
		{"the longest button", "buttons", strings.Replace(buttons(1, quick), "Sí", strings.Repeat("ñ", 25), 1), ""},
		{"a longer button", "buttons", strings.Replace(buttons(1, quick), "Sí", strings.Repeat("ñ", 26), 1), "26 characters"},
		{"quick replies apart", "buttons", "[" + quick + "," + link + "," + quick + "]", "not together"},
		{"an address without its example", "buttons", strings.Replace(buttons(1, link), "example/", "example/{{1}}", 1), "example does not match its url"},
		{"an address that is none", "buttons", strings.Replace(buttons(1, link), "https", "javascript", 1), "no address"},
		{"a button to copy a code", "buttons", `[{"type":"OTP","otp_type":"COPY_CODE"}]`, "for AUTHENTICATION"},
		{"buttons that are no list", "buttons", `{}`, "not a list"},
		{"a code with another text", "category", "AUTHENTICATION", "not the preset"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := newWorld(t)
			form := goodRequest()
			form.Set(c.field, c.value)
			status, body := w.request("POST", "/wa/app/"+w.Lines[0].AppID+"/template", "k1", "application/x-www-form-urlencoded", form.Encode())
			if (status == 200) != (c.problem == "") || !strings.Contains(body, c.problem) {
				t.Errorf("%d %s, want %q", status, body, c.problem)
			}
		})
	}
}

func TestFilesAreTakenAndForgotten(t *testing.T) {
	w := newWorld(t)
	p, a := w.gupshup(), w.account()
	for _, c := range []struct {
		size int64
		ok   bool
	}{{1, true}, {maxUpload, true}} {
		got, err := p.Upload(t.Context(), a, "image", channel.File{Name: "a.png", ContentType: "image/png", Size: c.size, Body: bytes.NewReader(make([]byte, c.size))})
		if err != nil || got.ID == "" || !strings.HasPrefix(got.URL, "https://filemanager.gupshup.io/wa/"+w.Lines[0].AppID) {
			t.Fatalf("%d bytes: %+v, %v", c.size, got, err)
		}
		f, ok, err := w.Phones.FileOf(got.ID)
		if err != nil || !ok || f.Name != "a.png" || f.Type != "image/png" || f.Size != c.size || f.App != w.Lines[0].AppID {
			t.Errorf("kept %+v, %t, %v", f, ok, err)
		}
	}
	for sentence, c := range map[string]struct{ kind, body, problem string }{
		"no form":         {"text/plain", "x", "Invalid Request"},
		"an empty form":   {"multipart/form-data; boundary=b", "--b--\r\n", "file is empty"},
		"a broken form":   {"multipart/form-data; boundary=b", "--b\r\nContent-", "Invalid File"},
		"a file of none":  {"multipart/form-data; boundary=b", part("image/png", ""), "file is empty"},
		"no content type": {"multipart/form-data; boundary=b", part("", "x"), "Invalid File Type"},
		"too long a file": {"multipart/form-data; boundary=b", part("image/png", strings.Repeat("x", maxUpload+1)), "File Size Exceeded"},
	} {
		if status, body := w.request("POST", "/wa/"+w.Lines[0].AppID+"/wa/media/v2", "k1", c.kind, c.body); status != 400 || !strings.Contains(body, c.problem) {
			t.Errorf("%s: %d %s, want %s", sentence, status, body, c.problem)
		}
	}
	if status, _ := w.request("POST", "/wa/"+w.Lines[0].AppID+"/wa/media/v2", "k2", "text/plain", ""); status != 401 {
		t.Errorf("a wrong key: %d", status)
	}
}

// part is a form with one file.
func part(kind, content string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: " + kind + "\r\n\r\n" + content + "\r\n--b--\r\n"
}
