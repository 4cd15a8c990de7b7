package blob

import (
	"mime"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"buzon/internal/fuzztest"
)

func TestT26SafeName(t *testing.T) {
	long := strings.Repeat("n", 96)
	for _, c := range []struct{ why, in, want string }{
		{"a plain name stays", "Informe (1), final.pdf", "Informe (1), final.pdf"},
		{"letters of all scripts stay", "Número 三 отчёт 😀.docx", "Número 三 отчёт 😀.docx"},
		{"normal form C", "Nu\u0301mero.docx", "Número.docx"},
		{"bidi marks that hide the extension go", "cod\u202Efdp.exe", "codfdp.exe"},
		{"all invisible characters go", "a\u200B\u200F\u202A\u2060\u2069\uFEFF\u061C\u00AD\U000E0041b", "ab"},
		{"control characters go", "a\x00\x1f\x7f\u0085b\r\n.txt", "ab.txt"},
		{"bytes that are not UTF-8 go", "a\xff\xc3b", "ab"},
		{"T25: a path is no name", "../../etc/passwd", "_.._etc_passwd"},
		{"T25: nor one of Windows", `C:\Users\x`, "C__Users_x"},
		{"characters with a meaning go", `a*?"<>|b`, "a______b"},
		{"a hidden file is shown", ".htaccess", "htaccess"},
		{"what Windows drops at the end goes", "a.txt. . ", "a.txt"},
		{"odd spaces are spaces", "a\u00a0\u3000b", "a  b"},
		{"devices of Windows are no files", "con.pdf", "_con.pdf"},
		{"neither numbered ones", "LPT1", "_LPT1"},
		{"longer names than theirs are", "console.pdf", "console.pdf"},
		{"long ones of theirs are cut", "con." + long, "_con." + long[1:]},
		{"nothing", "", "file"},
		{"nothing but what goes", "..\u202e/..", "_"},
		{"only dots", "...", "file"},
		{"100 runes stay", long + ".pdf", long + ".pdf"},
		{"101 are cut before the extension", long + "x.pdf", long + ".pdf"},
		{"200 bytes stay", strings.Repeat("é", 98) + ".pdf", strings.Repeat("é", 96) + ".pdf"},
		{"more are cut at a rune", strings.Repeat("三", 70) + ".pdf", strings.Repeat("三", 65) + ".pdf"},
		{"a long end is no extension", long + "x.thisisnoextension", long + "x.th"},
	} {
		if got := SafeName(c.in); got != c.want {
			t.Errorf("%s: %q became %q, want %q", c.why, c.in, got, c.want)
		}
	}
	for _, n := range []int{196, 197} {
		got := SafeName(strings.Repeat("三", 30) + strings.Repeat("a", n-90) + ".pdf")
		if utf8.RuneCountInString(got) > MaxNameRunes || !strings.HasSuffix(got, "a.pdf") {
			t.Errorf("%d bytes became %q", n, got)
		}
	}
}

func TestMaxNameBytes(t *testing.T) {
	fits := strings.Repeat("三", 65) + "x.pdf" // 200 bytes
	if got := SafeName(fits); got != fits || len(got) != MaxNameBytes {
		t.Errorf("%d bytes became %d", len(fits), len(got))
	}
	if got := SafeName("x" + fits); len(got) != MaxNameBytes || !strings.HasSuffix(got, "三.pdf") {
		t.Errorf("%d bytes became %q", len(fits)+1, got)
	}
}

func TestT27Attachment(t *testing.T) {
	for in, want := range map[string]string{
		"a.pdf":       `attachment; filename="a.pdf"; filename*=UTF-8''a.pdf`,
		"Número.docx": `attachment; filename="Numero.docx"; filename*=UTF-8''N%C3%BAmero.docx`,
		"straße ü":    `attachment; filename="stra_e u"; filename*=UTF-8''stra%C3%9Fe%20%C3%BC`,
		"100% (x).p":  `attachment; filename="100_ (x).p"; filename*=UTF-8''100%25%20%28x%29.p`,
		"a\"\r\nX: y": `attachment; filename="a_X_ y"; filename*=UTF-8''a_X_%20y`,
	} {
		if got := Attachment(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

// bounds of what reads a name from outside.
var bounds = fuzztest.Limit{Memory: 1 << 20, PerByte: 200}

func FuzzAttachment(f *testing.F) {
	for _, s := range []string{"", "a.pdf", "Nu\u0301mero.docx", "a\r\nSet-Cookie: x", "\u202e", `a"\%.exe`, "CON", "con." + strings.Repeat("n", 96), strings.Repeat("三.", 200), "a.\u0301", "\xff.."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		var name, header string
		bounds.Check(t, len(in), func() { name, header = SafeName(in), Attachment(in) })
		if len(header) > 8*MaxNameBytes {
			t.Errorf("%d bytes gave %d bytes", len(in), len(header))
		}
		if again := SafeName(name); again != name {
			t.Errorf("%q became %q, then %q", in, name, again)
		}
		if !norm.NFC.IsNormalString(name) || !utf8.ValidString(name) || len(name) == 0 {
			t.Errorf("%q became %q", in, name)
		}
		if len(name) > MaxNameBytes || utf8.RuneCountInString(name) > MaxNameRunes {
			t.Errorf("%q is too long", name)
		}
		for _, r := range name {
			if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Bidi_Control) || strings.ContainsRune(`/\"`, r) {
				t.Errorf("%q holds %U", name, r)
			}
		}
		for i := range len(header) {
			if header[i] < ' ' || header[i] > '~' {
				t.Errorf("header %q", header)
			}
		}
		kind, params, err := mime.ParseMediaType(header)
		if kind != "attachment" || params["filename"] != name || len(params) != 1 || err != nil {
			t.Errorf("%q reads as %q %v, %v", header, kind, params, err)
		}
	})
}

func FuzzValidKey(f *testing.F) {
	for _, s := range []string{"a", "t/demo/a/1", "../a", "a/..", "/", "a//b", "a\x00", strings.Repeat("k", MaxKey+1)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		var err error
		bounds.Check(t, len(key), func() { err = ValidKey(key) })
		slashed := "/" + key + "/"
		bad := key == "" || len(key) > MaxKey || strings.Contains(slashed, "//") || strings.Contains(slashed, "/../") || strings.Contains(slashed, "/./")
		for _, r := range key {
			bad = bad || !strings.ContainsRune("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!_.*'()/-", r)
		}
		if (err != nil) != bad {
			t.Errorf("%q: %v", key, err)
		}
	})
}
