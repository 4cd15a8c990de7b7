package wording

import (
	"bytes"
	"encoding/binary"
	"mime"
	"path"
	"slices"
	"strconv"
	"strings"

	"buzon/internal/desk"
	"buzon/internal/fault"
)

// HeadBytes is how much of a file's beginning CheckFile has to see.
const HeadBytes = 64

// format is a kind of file: its extensions, content type, and what it begins with.
type format struct {
	extensions  []string
	contentType string
	is          func(head []byte) bool
}

// files are what may go with one type of template.
type files struct {
	max     int64
	names   string // for people
	formats []format
}

func (f files) megabytes() string { return strconv.FormatInt(f.max>>20, 10) }

// fileOf gives the files of a type of template; false: it has none (S3-33 … S3-35).
func fileOf(kind string) (files, bool) {
	switch kind {
	case desk.TemplateImage:
		return files{desk.MaxTemplateImage, "JPG, JPEG, PNG", []format{
			{[]string{".jpg", ".jpeg"}, "image/jpeg", isJPEG},
			{[]string{".png"}, "image/png", isPNG},
		}}, true
	case desk.TemplateDocument:
		return files{desk.MaxTemplateDocument, "PDF", []format{{[]string{".pdf"}, "application/pdf", isPDF}}}, true
	case desk.TemplateVideo:
		return files{desk.MaxTemplateVideo, "MP4", []format{{[]string{".mp4"}, "video/mp4", isMP4}}}, true
	}
	return files{}, false
}

// MaxFile is how many bytes a file may have that goes with this type of template;
// 0: it takes none.
func MaxFile(kind string) int64 {
	f, _ := fileOf(kind)
	return f.max
}

// CheckUpload tells, before there are bytes, what is wrong with a file that is to
// go with a template of this type: the fields are "kind", "name" (file_extension)
// and "content_type" (file_type), which have to agree.
func CheckUpload(kind, name, contentType string) []fault.Problem {
	var in fault.Input
	f, ok := fileOf(kind)
	if !ok {
		in.Add("kind", "not_one_of", "values", strings.Join(types[1:], ", "))
		return in.Problems
	}
	byName := f.byName(name)
	if byName == nil {
		in.Add("name", "file_extension", "values", f.names)
	}
	if by := f.byType(contentType); by == nil || byName != nil && by.contentType != byName.contentType {
		in.Add("content_type", "file_type", "values", f.names)
	}
	return in.Problems
}

// CheckFile tells what is wrong with a file that is to go with a template of this
// type. Extension, content type and what it begins with have to agree (Q18). head
// is its first HeadBytes, or all of a shorter one. The fields are those of
// [CheckUpload], "content" (file_content) and "size" (file_empty, file_too_large).
func CheckFile(kind, name, contentType string, head []byte, size int64) []fault.Problem {
	f, ok := fileOf(kind)
	in := fault.Input{Problems: CheckUpload(kind, name, contentType)}
	if !ok {
		return in.Problems
	}
	switch {
	case size <= 0:
		in.Add("size", "file_empty")
		return in.Problems
	case size > f.max:
		in.Add("size", "file_too_large", "max", f.megabytes())
	}
	i := slices.IndexFunc(f.formats, func(x format) bool { return x.is(head) })
	byName := f.byName(name)
	if i < 0 || byName != nil && byName.contentType != f.formats[i].contentType {
		in.Add("content", "file_content", "values", f.names)
	}
	return in.Problems
}

func (f files) byName(name string) *format {
	ext := strings.ToLower(path.Ext(name))
	return f.find(func(x format) bool { return len(name) > len(ext) && slices.Contains(x.extensions, ext) })
}

func (f files) byType(contentType string) *format {
	media, _, err := mime.ParseMediaType(contentType)
	return f.find(func(x format) bool { return err == nil && media == x.contentType })
}

func (f files) find(is func(format) bool) *format {
	if i := slices.IndexFunc(f.formats, is); i >= 0 {
		return &f.formats[i]
	}
	return nil
}

// isJPEG: start of image, then a marker (ISO 10918-1, B.1.1).
func isJPEG(head []byte) bool {
	return len(head) > 3 && bytes.HasPrefix(head, []byte{0xFF, 0xD8, 0xFF}) && head[3] >= 0xC0 && head[3] != 0xFF
}

// isPNG: the signature, then the header's chunk (ISO 15948, 5.2 and 11.2.2).
func isPNG(head []byte) bool {
	return bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"))
}

// isPDF: the version's line at the very beginning (ISO 32000-1, 7.5.2).
func isPDF(head []byte) bool {
	return len(head) > 5 && bytes.HasPrefix(head, []byte("%PDF-")) && '1' <= head[5] && head[5] <= '2'
}

// brands are those of MP4 (ISO 14496-12 and -14) as cameras and programs write
// them; QuickTime's, HEIC's and sound alone are others.
var brands = []string{
	"isom", "iso2", "iso3", "iso4", "iso5", "iso6", "iso7", "iso8", "iso9",
	"mp41", "mp42", "mp71", "avc1", "M4V ", "M4VH", "M4VP", "MSNV", "dash", "mmp4",
}

// isMP4: a box of type ftyp comes first, with a brand of MP4.
func isMP4(head []byte) bool {
	return len(head) >= 12 && string(head[4:8]) == "ftyp" && binary.BigEndian.Uint32(head) >= 12 &&
		slices.Contains(brands, string(head[8:12]))
}
