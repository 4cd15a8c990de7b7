package bot

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// Bounds of the numbers in a row id.
const (
	maxVersion = 999
	maxPage    = 99_999
)

// rowPrefix begins every row id of ours and carries the version of its form.
const rowPrefix = "bz1"

// The kinds of option that a row stands for.
const (
	kindProject  = 'p'
	kindGroup    = 'g'
	kindService  = 's'
	kindCategory = 'c'
	kindNext     = 'n' // Following; its key is the number of the page to show
)

// rowID is what a tap on a row says: which option of which list. It names the
// dialogue, the step and the version, so that a tap on an old list is known as
// one (Q6). As text: "bz1.<dialogue>.<step><version>.<kind><key>", for example
// "bz1.9f86d081884c7d65.project0.p01JABC"; at most 120 bytes, of desk.MaxRowID.
type rowID struct {
	dialogue string
	step     step
	version  int
	kind     byte
	key      string // optionKey of the option, or the page
}

func (r rowID) String() string {
	return rowPrefix + "." + r.dialogue + "." + string(r.step) + strconv.Itoa(r.version) + "." + string(r.kind) + r.key
}

// page is the page that a Following asks for.
func (r rowID) page() int {
	n, _ := number(r.key, maxPage) // parseRowID has checked it
	return n
}

// parseRowID is the inverse of String; false for anything that String can not
// have made.
func parseRowID(s string) (rowID, bool) {
	if len(s) > maxRowIDLength {
		return rowID{}, false
	}
	parts := strings.Split(s, ".")
	if len(parts) != 4 || parts[0] != rowPrefix || !isDialogueName(parts[1]) || len(parts[3]) < 2 {
		return rowID{}, false
	}
	r := rowID{dialogue: parts[1], kind: parts[3][0], key: parts[3][1:]}
	digits := strings.IndexAny(parts[2], "0123456789")
	if digits < 0 {
		return rowID{}, false
	}
	r.step = step(parts[2][:digits])
	switch r.step {
	case stepProject, stepGroup, stepService, stepCategory:
	default:
		return rowID{}, false
	}
	var ok bool
	if r.version, ok = number(parts[2][digits:], maxVersion); !ok {
		return rowID{}, false
	}
	switch r.kind {
	case kindProject, kindGroup, kindService, kindCategory:
		return r, isOptionKey(r.key)
	case kindNext:
		_, ok := number(r.key, maxPage)
		return r, ok
	}
	return rowID{}, false
}

// number reads a decimal number of the one form that strconv.Itoa gives it.
func number(s string, limit int) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n <= limit && strconv.Itoa(n) == s
}

const (
	maxOptionKey   = 64
	maxRowIDLength = 120
)

// optionKey stands for an option's id in a row id: the id itself, or its hash if
// it is long or has characters that a provider may change.
func optionKey(id string) string {
	if isPlain(id) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "~" + hex.EncodeToString(sum[:16])
}

func isOptionKey(key string) bool {
	if hash, ok := strings.CutPrefix(key, "~"); ok {
		b, err := hex.DecodeString(hash)
		return err == nil && len(b) == 16 && hex.EncodeToString(b) == hash
	}
	return isPlain(key)
}

func isPlain(id string) bool {
	if id == "" || len(id) > maxOptionKey {
		return false
	}
	for _, c := range []byte(id) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
