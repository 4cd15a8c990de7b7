package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The largest files that go with a template (S3-33 … S3-35).
const (
	maxImage    = 2 << 20
	maxDocument = 2 << 20
	maxVideo    = 5 << 20
)

// bytes that files of a kind begin with.
const (
	pngBegins = "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
	jpgBegins = "\xff\xd8\xff\xe0\x00\x10JFIF\x00"
	pdfBegins = "%PDF-1.7\n"
	mp4Begins = "\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"
)

// workspace plays agents who send templates.
func workspace(ctx context.Context, p *play) {
	var b *bench
	var text seenTemplate
	var campaign, queue string
	agent := p.demo.AgentToken
	if !p.check("a channel with an approved template, a campaign and a queue", func() (err error) {
		if b, err = p.newBench(ctx, "gupshup"); err != nil {
			return err
		}
		if text, err = p.approved(ctx, b.line, notice("aviso_de_pedido")); err != nil {
			return err
		}
		var made struct{ ID string }
		if err := p.api(ctx, http.MethodPost, "/v1/campaigns", object{"name": "Navidad"}, &made); err != nil {
			return err
		}
		campaign = made.ID
		err = p.api(ctx, http.MethodPost, "/v1/queues", object{"name": "Ventas"}, &made)
		queue = made.ID
		return err
	}) {
		return
	}
	send := func(token string, in object) (reply, error) {
		return p.ask(ctx, token, http.MethodPost, "/v1/templates/"+text.ID+"/messages", in)
	}
	named := func(number string) object {
		return object{"number": number, "params": object{"pedido": "A-100", "nombre": "Ana {{2}}"}}
	}
	assign := func(v seenTemplate, campaigns, queues []string) error {
		return p.api(ctx, http.MethodPut, "/v1/templates/"+v.ID+"/assignments", object{"campaigns": campaigns, "queues": queues}, nil)
	}
	p.check("what is not assigned no agent sees or sends; an admin sends it (S3-50)", func() error {
		x := p.caller(ctx, b.line)
		if err := p.refuses(ctx, agent, http.MethodPost, "/v1/templates/"+text.ID+"/messages", named(x.number), 409, "template_not_assigned"); err != nil {
			return err
		}
		all, err := listedAs[seenTemplate](ctx, p, agent, "/v1/workspace/templates")
		if err != nil || slices.ContainsFunc(all, func(v seenTemplate) bool { return v.ID == text.ID }) {
			return fmt.Errorf("listed although not assigned: %w", err)
		}
		r, err := send(p.demo.AdminToken, named(x.number))
		if err != nil || r.status != http.StatusCreated {
			return fmt.Errorf("admin: %d %s: %w", r.status, r.text, err)
		}
		_, err = x.next()
		return err
	})
	p.check("the workspace lists what is sendable and assigned, by campaign and by queue (S3-49, S3-51, Q30)", func() error {
		if err := assign(text, []string{campaign}, []string{}); err != nil {
			return err
		}
		sees := func(query string) (bool, error) {
			all, err := listedAs[seenTemplate](ctx, p, agent, "/v1/workspace/templates?"+query)
			return slices.ContainsFunc(all, func(v seenTemplate) bool { return v.ID == text.ID }), err
		}
		for _, c := range []struct {
			query string
			there bool
		}{{"campaign=" + campaign, true}, {"", true}, {"queue=" + queue, false}, {"campaign=" + campaign + "&queue=" + queue, false}} {
			if there, err := sees(c.query); err != nil || there != c.there {
				return fmt.Errorf("%q: there %t, want %t: %w", c.query, there, c.there, err)
			}
		}
		if err := assign(text, []string{campaign}, []string{queue}); err != nil {
			return err
		}
		if there, err := sees("campaign=" + campaign + "&queue=" + queue); err != nil || !there {
			return fmt.Errorf("not there with both: %w", err)
		}
		if err := p.api(ctx, http.MethodPut, "/v1/templates/"+text.ID+"/active", object{"active": false}, nil); err != nil {
			return err
		}
		if there, err := sees(""); err != nil || there {
			return fmt.Errorf("there although switched off: %w", err)
		}
		if err := p.refuses(ctx, agent, http.MethodPost, "/v1/templates/"+text.ID+"/messages", named("5215550099999"), 409, "template_inactive"); err != nil {
			return err
		}
		return p.api(ctx, http.MethodPut, "/v1/templates/"+text.ID+"/active", object{"active": true}, nil)
	})
	p.check("parameters go by their names, in the template's order, and nothing of the body is changed (S3-31, S3-36)", func() error {
		x := p.caller(ctx, b.line)
		r, err := send(agent, named(x.number))
		if err != nil || r.status != http.StatusCreated {
			return fmt.Errorf("send: %d %s: %w", r.status, r.text, err)
		}
		s, err := x.next()
		if err != nil {
			return err
		}
		if s.Kind != "template" || s.Text != text.ProviderID || !slices.Equal(s.Params, []string{"Ana {{2}}", "A-100"}) {
			return fmt.Errorf("sent %s %s with %q", s.Kind, s.Text, s.Params)
		}
		messages, err := x.messages()
		if err != nil {
			return err
		}
		if len(messages) != 1 || messages[0].Text != "Hola, Ana {{2}}, su pedido A-100 ya salió de la tienda." {
			return fmt.Errorf("kept as %+v", messages)
		}
		path := "/v1/templates/" + text.ID + "/messages"
		return errors.Join(
			p.refuses(ctx, agent, http.MethodPost, path, object{"number": x.number, "params": object{"nombre": "Ana"}}, 422, "params.pedido required"),
			p.refuses(ctx, agent, http.MethodPost, path, object{"number": x.number, "params": object{"nombre": "Ana", "pedido": "1", "color": "rojo"}}, 422, "params.color unknown_parameter"),
			p.refuses(ctx, agent, http.MethodPost, path, object{"number": x.number, "body": "Otro texto"}, 422, ""),
			p.refuses(ctx, agent, http.MethodPost, path, object{"params": object{"nombre": "Ana", "pedido": "1"}}, 422, "number number_or_contact"),
		)
	})
	p.files(ctx, b, campaign)
	p.check("who has opted out gets no template: 409; opted in again it goes", func() error {
		x := p.caller(ctx, b.line)
		if err := x.begin(); err != nil {
			return err
		}
		for i, word := range []string{"opted-out", "opted-in"} {
			if err := p.deliver(ctx, b.line, consentEvent(b.line, x.number, word, time.Now().Add(time.Duration(i)*time.Second))); err != nil {
				return err
			}
			err := p.until(ctx, word+" counts", func() (bool, error) {
				r, err := send(agent, named(x.number))
				if word == "opted-out" {
					return r.status == http.StatusConflict && strings.Contains(r.text, "opted_out"), err
				}
				return r.status == http.StatusCreated, err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	p.needs(moves).check("a reply that waited is refused opted_out, one of a bot outside the 24 hours outside_window; a template goes (each named)", func() error {
		return b.waited(text)
	})
}

// consentEvent tells that a person opted in or out (1.5).
func consentEvent(l line, number, word string, at time.Time) []byte {
	return encode(object{"app": l.App, "timestamp": at.UnixMilli(), "version": 2, "type": "user-event", "payload": object{"phone": number, "type": word}})
}

// waited plays replies that wait for a provider while what they need goes away.
func (b *bench) waited(v seenTemplate) error {
	p := b.p
	b.refuses(throttle)
	defer p.gupshup.behave(nil)
	out, late := p.caller(b.ctx, b.line), p.caller(b.ctx, b.line)
	for _, x := range []*person{out, late} {
		if err := x.say("Hola"); err != nil {
			return err
		}
		if err := x.has(func(all []message) bool { return len(all) == 3 }); err != nil {
			return err
		}
	}
	if err := p.deliver(b.ctx, b.line, consentEvent(b.line, out.number, "opted-out", time.Now())); err != nil {
		return err
	}
	to := func(number string) object {
		return object{"number": number, "params": object{"nombre": "Ana", "pedido": "A-100"}}
	}
	if err := p.until(b.ctx, "the opt-out counts", func() (bool, error) {
		r, err := p.ask(b.ctx, p.demo.AdminToken, http.MethodPost, "/v1/templates/"+v.ID+"/messages", to(out.number))
		return r.status == http.StatusConflict && strings.Contains(r.text, "opted_out"), err
	}); err != nil {
		return err
	}
	if err := p.advance(b.ctx, 25*time.Hour); err != nil {
		return err
	}
	if err := p.api(b.ctx, http.MethodPost, "/v1/templates/"+v.ID+"/messages", to(late.number), nil); err != nil {
		return err
	}
	p.gupshup.behave(nil)
	s, err := late.nextMoving(time.Minute, 90)
	if err != nil {
		return err
	}
	if s.Kind != "template" {
		return fmt.Errorf("a %s is sent after a day, want the template alone", s.Kind)
	}
	for x, reason := range map[*person]string{out: "opted_out", late: "outside_window"} {
		err := x.has(func(all []message) bool {
			n := 0
			for _, m := range all {
				if m.Direction == "out" && m.Type != "template" && m.Status == "failed" && m.Reason == reason {
					n++
				}
			}
			return n >= 2
		})
		if err != nil {
			return fmt.Errorf("refused %s: %w", reason, err)
		}
	}
	if got := p.to(b.line.App, out.number); len(got) > 0 {
		return fmt.Errorf("%d sent to who opted out", len(got))
	}
	return nil
}

// refuses has the provider refuse all sends of the channel.
func (b *bench) refuses(o outcome) {
	b.p.gupshup.behave(func(app, _ string) outcome {
		if app == b.line.App {
			return o
		}
		return accept
	})
}

// has waits until the person's messages are as wanted.
func (x *person) has(fits func([]message) bool) error {
	var all []message
	err := x.p.until(x.ctx, "messages as wanted", func() (ok bool, err error) {
		all, err = x.messages()
		return fits(all), err
	})
	if err != nil {
		err = fmt.Errorf("%+v: %w", all, err)
	}
	return err
}

// files plays templates with a file on top.
func (p *play) files(ctx context.Context, b *bench, campaign string) {
	agent := p.demo.AgentToken
	withFile := map[string]seenTemplate{}
	kinds := []struct {
		kind, name, contentType, begins string
		most                            int
	}{
		{"image", "oferta.png", "image/png", pngBegins, maxImage},
		{"image", "oferta.JPEG", "image/jpeg", jpgBegins, maxImage},
		{"document", "factura.pdf", "application/pdf", pdfBegins, maxDocument},
		{"video", "visita.mp4", "video/mp4", mp4Begins, maxVideo},
	}
	if !p.check("templates with an image, a document and a video, whose sample the reviewer gets (S3-27, S3-32)", func() error {
		for _, kind := range []string{"image", "document", "video"} {
			in := notice("con_" + kind)
			in["type"] = kind
			v, err := p.approved(ctx, b.line, in)
			if err != nil {
				return err
			}
			if err := p.api(ctx, http.MethodPut, "/v1/templates/"+v.ID+"/assignments", object{"campaigns": []string{campaign}, "queues": []string{}}, nil); err != nil {
				return err
			}
			withFile[kind] = v
		}
		return nil
	}) {
		return
	}
	send := func(kind, upload, number string) (reply, error) {
		in := object{"number": number, "params": object{"nombre": "Ana", "pedido": "A-100"}, "upload": upload}
		return p.ask(ctx, agent, http.MethodPost, "/v1/templates/"+withFile[kind].ID+"/messages", in)
	}
	for _, c := range kinds {
		p.check(fmt.Sprintf("a file %s of exactly %d MiB is sent as it is; one byte more is refused (S3-33 … S3-35, Q17)", c.name, c.most>>20), func() error {
			id, status, err := p.uploads(ctx, c.kind, c.name, c.contentType, padded(c.begins, c.most))
			if err != nil || status != http.StatusNoContent {
				return fmt.Errorf("upload: %d: %w", status, err)
			}
			x := p.caller(ctx, b.line)
			if r, err := send(c.kind, id, x.number); err != nil || r.status != http.StatusCreated {
				return fmt.Errorf("send: %d %s: %w", r.status, r.text, err)
			}
			s, err := x.next()
			if err != nil {
				return err
			}
			f, ok := b.account.file(s.File)
			if !ok || f.Size != c.most || f.Type != c.contentType || !strings.HasPrefix(c.begins+strings.Repeat("\x00", 16), f.Begin) || s.Text != withFile[c.kind].ProviderID {
				return fmt.Errorf("sent %q with the file %+v", s.Text, f)
			}
			if id, status, err = p.uploads(ctx, c.kind, c.name, c.contentType, padded(c.begins, c.most+1)); err != nil || status < 400 || status > 499 {
				return fmt.Errorf("one byte more: %d: %w", status, err)
			}
			r, err := send(c.kind, id, x.number)
			if err != nil || r.status != http.StatusUnprocessableEntity {
				return fmt.Errorf("sent one byte more: %d %s: %w", r.status, r.text, err)
			}
			return nil
		})
	}
	p.check("a file that is not what it says, of another kind, not uploaded, somebody else's or missing is refused; nothing is sent", func() error {
		x := p.caller(ctx, b.line)
		wrong, status, err := p.uploads(ctx, "image", "oferta.png", "image/png", padded(pdfBegins, 1000))
		if err != nil || status != http.StatusNoContent {
			return fmt.Errorf("upload: %d: %w", status, err)
		}
		document, _, err := p.uploads(ctx, "document", "factura.pdf", "application/pdf", padded(pdfBegins, 1000))
		if err != nil {
			return err
		}
		for upload, code := range map[string]string{wrong: "upload.content file_content", document: "upload wrong_kind", "nothing": "upload not_found", "": "upload required"} {
			r, err := send("image", upload, x.number)
			var v problem
			_ = json.Unmarshal([]byte(r.text), &v) // what cannot be read has no code
			if err != nil || r.status != http.StatusUnprocessableEntity || !slices.Contains(v.codes(), code) {
				return fmt.Errorf("upload %q: %d %s, want %s: %w", upload, r.status, r.text, code, err)
			}
		}
		if err := p.refuses(ctx, agent, http.MethodPost, "/v1/uploads", object{"kind": "image", "name": "oferta.gif", "content_type": "image/gif"}, 422, ""); err != nil {
			return err
		}
		if got := p.to(b.line.App, x.number); len(got) > 0 {
			return fmt.Errorf("%d sent", len(got))
		}
		return nil
	})
}

// padded is a file of so many bytes.
func padded(begins string, size int) []byte {
	return append([]byte(begins), make([]byte, size-len(begins))...)
}

// uploads asks for an upload form and posts a file with it, as a browser does. status
// is the file store's.
func (p *play) uploads(ctx context.Context, kind, name, contentType string, content []byte) (id string, status int, err error) {
	var form struct {
		ID, URL string
		Fields  map[string]string
	}
	in := object{"kind": kind, "name": name, "content_type": contentType}
	if err := p.apiAs(ctx, p.demo.AgentToken, http.MethodPost, "/v1/uploads", in, &form); err != nil {
		return "", 0, err
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for key, value := range form.Fields {
		_ = w.WriteField(key, value) // memory takes everything
	}
	part, _ := w.CreateFormFile("file", name)
	_, _ = part.Write(content)
	_ = w.Close()
	at, err := url.Parse(p.demo.BaseURL)
	if err != nil {
		return "", 0, err
	}
	to, err := at.Parse(form.URL)
	if err != nil {
		return "", 0, err
	}
	status, _, err = p.post(ctx, to.String(), w.FormDataContentType(), body.String())
	return form.ID, status, err
}
