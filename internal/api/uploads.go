package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"buzon/internal/blob"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/store"
	"buzon/internal/web"
	"buzon/internal/wording"
)

// MaxFileName is the longest name of a file, in characters.
const MaxFileName = 240

// Where files lie in the file store, each followed by "<company>/". Both stand under
// the one prefix that roles name.
const (
	// RawFiles is for what was put by a form, one object for each upload. A rule of the
	// bucket removes it after [desk.UploadKept].
	RawFiles = "uploads/raw/"
	// CheckedFiles is for what a message sends, under the hash of its bytes, so that one
	// object serves all messages that send the same file. No rule removes it: the
	// newest of them may wait as long as its channel does, which has no limit, and the
	// object's age says nothing of that.
	CheckedFiles = "uploads/checked/"
)

// uploadView is an upload; url and fields, which whoever has them may use, are
// shown once.
type uploadView struct {
	ID          string            `json:"id"`
	Version     int64             `json:"version"`
	Kind        string            `json:"kind"`
	Name        string            `json:"name"`
	ContentType string            `json:"content_type"`
	MaxBytes    int64             `json:"max_bytes"`
	URL         *string           `json:"url"`
	Fields      map[string]string `json:"fields"`
	ExpiresAt   *time.Time        `json:"expires_at"`
}

func viewUpload(v desk.Upload) uploadView {
	return uploadView{ID: v.ID, Version: v.Version, Kind: v.Kind, Name: v.Name, ContentType: v.ContentType, MaxBytes: v.MaxBytes, ExpiresAt: when(v.ExpiresAt)}
}

// postUpload gives a form by which one file can be put into the file store
// (S3-32): of the kind, type and size that a template of that type takes.
func postUpload(c *call) error {
	id, now := c.NewID(), c.now()
	return c.create(func(o *web.Object) (made, error) {
		v := desk.Upload{ID: id, By: c.me.ID, Key: c.uploadKey(id), CreatedAt: now}
		o.Text("kind", &v.Kind, oneWord(desk.TemplateImage, desk.TemplateDocument, desk.TemplateVideo))
		o.Text("name", &v.Name, web.Text{Required: true, Max: MaxFileName})
		o.Text("content_type", &v.ContentType, web.Text{Required: true, Max: MaxFileName})
		if err := o.Err(); err != nil {
			return made{}, err
		}
		v.ContentType = strings.ToLower(v.ContentType)
		in := fault.Input{Problems: wording.CheckUpload(v.Kind, v.Name, v.ContentType)}
		if err := in.Err(); err != nil {
			return made{}, err
		}
		v.MaxBytes = wording.MaxFile(v.Kind)
		form, err := c.Blobs.Form(c.ctx(), v.Key, blob.Upload{ContentType: v.ContentType, MinBytes: 1, MaxBytes: v.MaxBytes, Expires: blob.MaxForm})
		if err != nil {
			return made{}, fmt.Errorf("upload %s: %w", id, err)
		}
		v.ExpiresAt = form.ExpiresAt
		stored := v
		stored.Version = 1
		again := viewUpload(stored)
		view := again
		view.URL, view.Fields = &form.URL, form.Fields
		return made{
			location: "/v1/uploads/" + id, version: 1, body: view, again: again,
			save: func(also store.Also) error { return c.company.CreateUpload(c.ctx(), v, also) },
		}, nil
	})
}

// uploadKey is where an upload lies in the file store until it is checked.
func (c *call) uploadKey(id string) string { return RawFiles + c.company.Tenant + "/" + id }

func getUpload(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	v, err := c.company.Upload(c.ctx(), id)
	if err != nil {
		return err
	}
	return c.ok(v.Version, viewUpload(v))
}

// fileOf reads an uploaded file, checks what it really is and puts it where nobody
// can change it any more, so that what was checked is what is sent (T29). Problems
// are noted in o under "upload".
func (c *call) fileOf(o *web.Object, id, kind string) (*desk.MediaLink, error) {
	v, there, err := exists(id, func() (desk.Upload, error) { return c.company.Upload(c.ctx(), id) })
	if err != nil {
		return nil, err
	}
	if !there {
		o.Add("upload", "not_found")
		return nil, nil
	}
	if v.Kind != kind {
		o.Add("upload", "wrong_kind", "kind", kind)
		return nil, nil
	}
	body, size, err := c.uploaded(v)
	if errors.Is(err, fault.NotFound) {
		o.Add("upload", "not_uploaded")
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	problems := wording.CheckFile(v.Kind, v.Name, v.ContentType, body[:min(len(body), wording.HeadBytes)], size)
	for _, p := range problems {
		var params []string
		for name, value := range p.Params {
			params = append(params, name, value)
		}
		o.Add("upload."+p.Field, p.Code, params...)
	}
	if len(problems) > 0 {
		return nil, nil
	}
	sum := sha256.Sum256(body)
	key := CheckedFiles + c.company.Tenant + "/" + hex.EncodeToString(sum[:])
	err = c.Blobs.Put(c.ctx(), key, v.ContentType, bytes.NewReader(body))
	if err != nil && !errors.Is(err, fault.Conflict) { // there already: the same bytes
		return nil, fmt.Errorf("upload %s: %w", id, err)
	}
	link := desk.MediaLink{Kind: kind, Blob: key, ContentType: v.ContentType, Name: v.Name}
	if kind == desk.TemplateDocument {
		link.Kind = "file"
	}
	return &link, nil
}

// uploaded reads what was put into the file store; of a file that is too long only
// as much as tells so.
func (c *call) uploaded(v desk.Upload) ([]byte, int64, error) {
	f, info, err := c.Blobs.Get(c.ctx(), v.Key)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, v.MaxBytes+1))
	if err != nil {
		return nil, 0, fmt.Errorf("upload %s: %w", v.ID, err)
	}
	return body, max(info.Size, int64(len(body))), nil
}
