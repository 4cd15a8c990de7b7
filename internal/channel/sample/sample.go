// Package sample holds a file of each kind that a template may have on top. A
// provider's reviewer has to see one; Buzón supplies it, since what is sent later is
// not known when the template is requested.
package sample

import (
	"bytes"
	_ "embed" // the files

	"buzon/internal/channel"
	"buzon/internal/desk"
)

//go:embed sample.png
var image []byte // 500 × 500 pixels

//go:embed sample.pdf
var document []byte // one page

//go:embed sample.mp4
var video []byte // one second, H.264 and AAC

// File is the sample for a type of template, read from its beginning; false for a
// type without a file.
func File(templateType string) (channel.File, bool) {
	var f channel.File
	var content []byte
	switch templateType {
	case desk.TemplateImage:
		f, content = channel.File{Name: "sample.png", ContentType: "image/png"}, image
	case desk.TemplateDocument:
		f, content = channel.File{Name: "sample.pdf", ContentType: "application/pdf"}, document
	case desk.TemplateVideo:
		f, content = channel.File{Name: "sample.mp4", ContentType: "video/mp4"}, video
	default:
		return channel.File{}, false
	}
	f.Size, f.Body = int64(len(content)), bytes.NewReader(content)
	return f, true
}
