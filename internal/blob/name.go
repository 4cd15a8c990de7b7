package blob

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Limits of a file name as people see it (T26).
const (
	MaxNameRunes = 100
	MaxNameBytes = 200
	// maxExtension is the longest extension in bytes that a shortened name keeps.
	maxExtension = 12
)

// noName stands for a name of which nothing is left.
const noName = "file"

// SafeName is a file name that shows what it is and that every file system
// takes (T25, T26): in normal form C, without control, bidi and other invisible
// characters, without slashes and other characters with a meaning to systems,
// not hidden, within the limits. A name that is too long keeps its extension.
func SafeName(name string) string {
	name = norm.NFC.String(strings.Map(safeRune, strings.ToValidUTF8(name, "")))
	name = trimName(name)
	if reserved(name) {
		name = "_" + name
	}
	if len(name) > MaxNameBytes || utf8.RuneCountInString(name) > MaxNameRunes {
		name = shorten(name)
	}
	if name == "" {
		return noName
	}
	return name
}

func safeRune(r rune) rune {
	switch {
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp), r&0xfffe == 0xfffe, r >= 0xfdd0 && r <= 0xfdef, r == utf8.RuneError:
		return -1
	case unicode.IsSpace(r):
		return ' '
	case strings.ContainsRune(`/\:*?"<>|`, r):
		return '_'
	}
	return r
}

// trimName takes off what hides a file or what Windows drops.
func trimName(name string) string { return strings.TrimLeft(strings.TrimRight(name, ". "), ". ") }

// shorten cuts the stem and keeps the extension.
func shorten(name string) string {
	stem, ext := name, ""
	if dot := strings.LastIndexByte(name, '.'); dot > 0 && len(name)-dot <= maxExtension {
		stem, ext = name[:dot], name[dot:]
	}
	bytes, runes := MaxNameBytes-len(ext), MaxNameRunes-utf8.RuneCountInString(ext)
	for i, r := range stem {
		if runes == 0 || i+utf8.RuneLen(r) > bytes {
			stem = stem[:i]
			break
		}
		runes--
	}
	return strings.TrimRight(stem, ". ") + ext
}

// reserved tells the names of devices on Windows, with any extension.
func reserved(name string) bool {
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch stem = strings.TrimRight(stem, " "); stem {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(stem) == 4 && (stem[:3] == "COM" || stem[:3] == "LPT") && stem[3] >= '0' && stem[3] <= '9'
}

// Attachment is the Content-Disposition that makes a browser save a file under
// this name, made safe: in the form that every browser reads (RFC 6266,
// letters without marks) and in the one that keeps all letters (RFC 5987).
// It is printable ASCII (T27).
func Attachment(name string) string {
	name = SafeName(name)
	return fmt.Sprintf(`attachment; filename="%s"; filename*=UTF-8''%s`, plainName(name), percentEncode(name))
}

func plainName(name string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(name) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r < ' ' || r > '~' || r == '"' || r == '\\' || r == '%':
			b.WriteByte('_')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func percentEncode(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
