package wording

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
)

const (
	jpeg = "\xff\xd8\xff\xe0\x00\x10JFIF\x00"
	png  = "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x01\xf4\x00\x00\x01\xf4"
	pdf  = "%PDF-1.7\n%\xe2\xe3\xcf\xd3"
	mp4  = "\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"
)

// TestFiles: S3-33 … S3-35, Q17, Q18.
func TestFiles(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		say, kind, name, contentType, head string
		size                               int64
		want                               []string
	}{
		{"JPG", "image", "a.jpg", "image/jpeg", jpeg, 2 * mib, nil},
		{"JPEG in capitals", "image", "FOTO.JPEG", "image/jpeg", jpeg, 1, nil},
		{"PNG", "image", "foto ñ.png", "image/png", png, 2 * mib, nil},
		{"PDF", "document", "a.b.pdf", "application/pdf", pdf, 2 * mib, nil},
		{"MP4", "video", "a.mp4", "video/mp4; codecs=avc1", mp4, 5 * mib, nil},
		{"an image one byte over", "image", "a.jpg", "image/jpeg", jpeg, 2*mib + 1, []string{"size file_too_large"}},
		{"a document one byte over", "document", "a.pdf", "application/pdf", pdf, 2*mib + 1, []string{"size file_too_large"}},
		{"a video one byte over", "video", "a.mp4", "video/mp4", mp4, 5*mib + 1, []string{"size file_too_large"}},
		{"an empty file", "image", "a.jpg", "image/jpeg", "", 0, []string{"size file_empty"}},
		{"a picture of another format", "image", "a.webp", "image/webp", "RIFF\x00\x00\x00\x00WEBP", 9, []string{"content file_content", "content_type file_type", "name file_extension"}},
		{"PNG by name and type, JPEG inside", "image", "a.png", "image/png", jpeg, 9, []string{"content file_content"}},
		{"PNG by name, JPEG by type and inside", "image", "a.png", "image/jpeg", jpeg, 9, []string{"content file_content", "content_type file_type"}},
		{"PNG by type, JPEG by name and inside", "image", "a.jpg", "image/png", jpeg, 9, []string{"content_type file_type"}},
		{"a program with a picture's name", "image", "a.jpg", "image/jpeg", "MZ\x90\x00\x03", 9, []string{"content file_content"}},
		{"a page with a document's name", "document", "a.pdf", "application/pdf", "<html>", 9, []string{"content file_content"}},
		{"a PDF that begins later", "document", "a.pdf", "application/pdf", "\n" + pdf, 9, []string{"content file_content"}},
		{"a picture for a document", "document", "a.jpg", "image/jpeg", jpeg, 9, []string{"content file_content", "content_type file_type", "name file_extension"}},
		{"QuickTime with a video's name", "video", "a.mp4", "video/mp4", "\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  ", 9, []string{"content file_content"}},
		{"HEIC with a video's name", "video", "a.mp4", "video/mp4", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", 9, []string{"content file_content"}},
		{"a box without room for a brand", "video", "a.mp4", "video/mp4", "\x00\x00\x00\x08ftypisom", 9, []string{"content file_content"}},
		{"a head cut short", "video", "a.mp4", "video/mp4", mp4[:11], 9, []string{"content file_content"}},
		{"no extension", "image", "jpg", "image/jpeg", jpeg, 9, []string{"name file_extension"}},
		{"nothing but an extension", "image", ".jpg", "image/jpeg", jpeg, 9, []string{"name file_extension"}},
		{"two extensions: the last counts", "image", "a.jpg.exe", "image/jpeg", jpeg, 9, []string{"name file_extension"}},
		{"no content type", "image", "a.jpg", "", jpeg, 9, []string{"content_type file_type"}},
		{"a text has no file", "text", "a.jpg", "image/jpeg", jpeg, 9, []string{"kind not_one_of"}},
	} {
		problems := CheckFile(c.kind, c.name, c.contentType, []byte(c.head), c.size)
		if d := cmp.Diff(append([]string{}, c.want...), codes(problems)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.say, d)
		}
		explained(t, c.say, problems)
	}
	for kind, want := range map[string]int64{desk.TemplateText: 0, desk.TemplateImage: 2 * mib, desk.TemplateDocument: 2 * mib, desk.TemplateVideo: 5 * mib} {
		if got := MaxFile(kind); got != want {
			t.Errorf("%s: %d bytes, want %d", kind, got, want)
		}
	}
}

// TestCutHeads: a file that is shorter than what is looked at is read as it is.
func TestCutHeads(t *testing.T) {
	for _, c := range []struct{ kind, name, contentType, head string }{
		{"image", "a.jpg", "image/jpeg", jpeg}, {"image", "a.png", "image/png", png},
		{"document", "a.pdf", "application/pdf", pdf}, {"video", "a.mp4", "video/mp4", mp4},
	} {
		if len(c.head) > HeadBytes {
			t.Errorf("%s: %d bytes, more than are looked at", c.name, len(c.head))
		}
		well := 0
		for n := range len(c.head) {
			if len(CheckFile(c.kind, c.name, c.contentType, []byte(c.head[:n]), 9)) == 0 {
				well++
			} else if well > 0 {
				t.Errorf("%s: %d bytes are not enough, fewer are", c.name, n)
			}
		}
		if well == 0 {
			t.Errorf("%s: all bytes are needed", c.name)
		}
	}
}
