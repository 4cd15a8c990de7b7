package pipeline

import (
	"bytes"
	"context"
	"errors"
	"io"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/fault"
)

// toUpload tells whether the reply sends a file of ours that its provider has not
// got yet.
func toUpload(r desk.Reply) bool {
	return r.Media != nil && r.Media.Blob != "" && r.Media.URL == "" && r.Media.ID == "" && r.Uploaded == nil
}

// found is the reply's file where the provider finds it.
func found(r desk.Reply) *desk.MediaLink {
	if r.Uploaded == nil {
		return r.Media
	}
	m := *r.Media
	m.Blob, m.URL, m.ID = "", r.Uploaded.URL, r.Uploaded.ID
	return &m
}

// upload hands the provider the reply's file. Nothing is sent by it, so an outcome
// that nobody knows is as good as a refusal for the moment.
func (d *drain) upload(ctx context.Context, r *desk.Reply) *channel.Error {
	d.aged = true
	ctx, cancel := context.WithTimeout(ctx, UploadTimeout)
	defer cancel()
	provider, account, failed := d.account(ctx)
	if failed != nil {
		return failed
	}
	file, failed := d.file(ctx, *r.Media)
	if failed != nil {
		return failed
	}
	link, err := provider.Upload(ctx, account, r.Media.Kind, file)
	failed = d.judged(err)
	if failed != nil && failed.Verdict == channel.Unknown {
		return &channel.Error{Verdict: channel.Later, Code: failed.Code, Reason: failed.Reason, Cause: desk.WaitUnavailable}
	}
	if failed == nil {
		r.Uploaded = &desk.MediaLink{URL: link.URL, ID: link.ID}
	}
	return failed
}

// file reads the bytes of a file whole, as many as any message may have: those that
// are counted are those that go out.
func (d *drain) file(ctx context.Context, m desk.MediaLink) (channel.File, *channel.Error) {
	body, info, err := d.Blobs.Get(ctx, m.Blob)
	if errors.Is(err, fault.NotFound) {
		return channel.File{}, &channel.Error{Verdict: channel.Refused, Code: channel.CodeNotSent, Reason: "media_missing"}
	}
	var raw []byte
	if err == nil {
		defer body.Close()
		raw, err = io.ReadAll(io.LimitReader(body, desk.MaxTemplateVideo+1))
	}
	switch {
	case err != nil:
		d.Log.Error("file not read", "channel", d.ch.ID, "error", err.Error())
		return channel.File{}, ours("file_store", "file_store_unavailable")
	case len(raw) > desk.MaxTemplateVideo:
		return channel.File{}, &channel.Error{Verdict: channel.Refused, Code: channel.CodeNotSent, Reason: "media_size"}
	}
	contentType := m.ContentType
	if contentType == "" {
		contentType = info.ContentType
	}
	return channel.File{Name: m.Name, ContentType: contentType, Size: int64(len(raw)), Body: bytes.NewReader(raw)}, nil
}
