package simulator

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"

	"buzon/internal/fault"
)

// Limits of what the providers keep here.
const (
	MaxTemplates = 2_000 // of all accounts together
	MaxFiles     = 2_000 // the oldest go when more come
)

var (
	templatesBucket   = []byte("templates")    // seq -> Template
	templateIDsBucket = []byte("template ids") // provider 0 id -> seq; nothing: it was deleted
	filesBucket       = []byte("uploads")      // seq -> File
)

// Template is a message template as its provider has it.
type Template struct {
	Provider string           `json:"provider"`
	Account  string           `json:"account"` // Gupshup's id of the app, Meta's of the business account
	ID       string           `json:"id"`
	Name     string           `json:"name"`
	Label    string           `json:"label,omitempty"`
	Language string           `json:"language"`
	Category string           `json:"category"` // in lower case, like Type and State
	Type     string           `json:"type"`
	Body     string           `json:"body"`
	Example  string           `json:"example,omitempty"`
	Buttons  []TemplateButton `json:"buttons,omitempty"`
	State    string           `json:"state"`
	Reason   string           `json:"reason,omitempty"`
	// CreatedAt and ChangedAt are real time.
	CreatedAt time.Time `json:"created_at"`
	ChangedAt time.Time `json:"changed_at"`
}

// TemplateButton is a button of a template, as both providers write it.
type TemplateButton struct {
	Type    string   `json:"type"` // QUICK_REPLY, PHONE_NUMBER, URL, OTP
	Text    string   `json:"text,omitempty"`
	URL     string   `json:"url,omitempty"`
	Phone   string   `json:"phone_number,omitempty"`
	OTP     string   `json:"otp_type,omitempty"`
	Example []string `json:"example,omitempty"`
}

// The kinds of button that matter here.
const (
	buttonQuickReply = "QUICK_REPLY"
	buttonPhone      = "PHONE_NUMBER"
	buttonURL        = "URL"
	buttonOTP        = "OTP"
)

// The states that matter here, and deleted, which takes a template off the list.
const (
	stateApproved = "approved"
	statePending  = "pending"
	stateDeleted  = "deleted"
)

// placeholder is a variable in a text.
var placeholder = regexp.MustCompile(`\{\{\s*(\d{1,2})\s*\}\}`)

// variables is the highest number of a variable in the text; 0 without any.
func variables(text string) int {
	highest := 0
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1]) // two digits
		highest = max(highest, n)
	}
	return highest
}

// params are how few and how many values a message with the template may have:
// those of the body, then one for each variable at the end of a button's address,
// which may be left out, or the code of an OTP button once more.
func (t Template) params() (least, most int) {
	least = variables(t.Body)
	most = least
	for _, b := range t.Buttons {
		if b.Type == buttonOTP || b.Type == buttonURL && variables(b.URL) > 0 {
			most++
		}
	}
	return least, most
}

func (t Template) hasQuickReplies() bool {
	for _, b := range t.Buttons {
		if b.Type == buttonQuickReply {
			return true
		}
	}
	return false
}

// Why a template is not added.
var (
	errTaken = errors.New("template: name taken")
	errFull  = errors.New("templates: too many")
)

// AddTemplate adds a template; errTaken: its account has one of that name and
// language.
func (l *Log) AddTemplate(t Template) error {
	return l.update(func(tx *bolt.Tx) error {
		n := 0
		taken := false
		err := eachTemplate(tx, func(_ []byte, old Template) error {
			n++
			taken = taken || old.Provider == t.Provider && old.Account == t.Account && old.Name == t.Name && old.Language == t.Language
			return nil
		})
		switch {
		case err != nil:
			return err
		case taken:
			return errTaken
		case n >= MaxTemplates:
			return errFull
		}
		return createTemplate(tx, t)
	})
}

func createTemplate(tx *bolt.Tx, t Template) error {
	seq, err := tx.Bucket(templatesBucket).NextSequence()
	if err != nil {
		return err
	}
	key := seqKey(seq)
	return errors.Join(putTemplate(tx, key, t), tx.Bucket(templateIDsBucket).Put(templateID(t.Provider, t.ID), key))
}

func putTemplate(tx *bolt.Tx, key []byte, t Template) error {
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return tx.Bucket(templatesBucket).Put(key, body)
}

func templateID(provider, id string) []byte { return []byte(provider + "\x00" + id) }

func eachTemplate(tx *bolt.Tx, visit func(key []byte, t Template) error) error {
	return tx.Bucket(templatesBucket).ForEach(func(key, body []byte) error {
		var t Template
		if err := json.Unmarshal(body, &t); err != nil {
			return fmt.Errorf("template %d: %w", binary.BigEndian.Uint64(key), err)
		}
		return visit(key, t)
	})
}

// Seed adds templates that the list has never had. Of one that it has, what it says
// is renewed; its state stays.
func (l *Log) Seed(all []Template) error {
	return l.update(func(tx *bolt.Tx) error {
		for _, t := range all {
			key := tx.Bucket(templateIDsBucket).Get(templateID(t.Provider, t.ID))
			if key == nil {
				if err := createTemplate(tx, t); err != nil {
					return err
				}
				continue
			}
			old, ok, err := readTemplate(tx, key)
			if err != nil {
				return err
			}
			if !ok { // deleted since
				continue
			}
			t.State, t.Reason, t.CreatedAt, t.ChangedAt = old.State, old.Reason, old.CreatedAt, old.ChangedAt
			if err := putTemplate(tx, key, t); err != nil {
				return err
			}
		}
		return nil
	})
}

func readTemplate(tx *bolt.Tx, key []byte) (t Template, ok bool, err error) {
	body := tx.Bucket(templatesBucket).Get(key)
	if len(key) == 0 || body == nil {
		return t, false, nil
	}
	return t, true, json.Unmarshal(body, &t)
}

// Templates gives the templates that keep lets through, oldest first.
func (l *Log) Templates(keep func(Template) bool) ([]Template, error) {
	var out []Template
	err := l.view(func(tx *bolt.Tx) error {
		return eachTemplate(tx, func(_ []byte, t Template) error {
			if keep(t) {
				out = append(out, t)
			}
			return nil
		})
	})
	return out, err
}

// TemplateOf finds a template by its provider's id. Of one that was deleted the state
// says so; it is not found.
func (l *Log) TemplateOf(provider, id string) (t Template, ok bool, err error) {
	err = l.view(func(tx *bolt.Tx) error {
		key := tx.Bucket(templateIDsBucket).Get(templateID(provider, id))
		var err error
		if t, ok, err = readTemplate(tx, key); key != nil && !ok {
			t.State = stateDeleted
		}
		return err
	})
	return t, ok, err
}

// Judge sets the state of a template, and gives the template as it is then; deleted
// takes it off the list. False: there is none.
func (l *Log) Judge(provider, id, state, reason string, at time.Time) (t Template, ok bool, err error) {
	err = l.update(func(tx *bolt.Tx) error {
		name := templateID(provider, id)
		key := tx.Bucket(templateIDsBucket).Get(name)
		var err error
		if t, ok, err = readTemplate(tx, key); err != nil || !ok {
			return err
		}
		t.State, t.Reason, t.ChangedAt = state, reason, at
		if state == stateDeleted {
			return errors.Join(tx.Bucket(templatesBucket).Delete(key), tx.Bucket(templateIDsBucket).Put(name, []byte{}))
		}
		return putTemplate(tx, key, t)
	})
	return t, ok, err
}

// File is a file that was handed to a provider: what it was, not its bytes.
type File struct {
	ID   string `json:"-"`   // digits
	App  string `json:"app"` // whose it is
	Name string `json:"name"`
	Type string `json:"type"` // content type
	Size int64  `json:"size"`
	// Awaited: it was announced and is still to come.
	Awaited bool `json:"awaited,omitempty"`
}

// firstFile is the number before the first file's.
const firstFile = 300_000_000_000_000

// fileNumber is the number of the file with an id.
func fileNumber(id string) (uint64, bool) {
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil || n <= firstFile {
		return 0, false
	}
	return n - firstFile, true
}

// AddFile keeps a file and gives its id; the oldest one goes if there are too many.
func (l *Log) AddFile(f File) (string, error) {
	var seq uint64
	err := l.update(func(tx *bolt.Tx) error {
		b := tx.Bucket(filesBucket)
		body, err := json.Marshal(f)
		if err != nil {
			return err
		}
		if seq, err = b.NextSequence(); err != nil {
			return err
		}
		if err := b.Put(seqKey(seq), body); err != nil || seq <= MaxFiles {
			return err
		}
		return b.Delete(seqKey(seq - MaxFiles))
	})
	return strconv.FormatUint(firstFile+seq, 10), err
}

// Arrived notes that an announced file has come.
func (l *Log) Arrived(f File) error {
	n, ok := fileNumber(f.ID)
	if !ok {
		return fmt.Errorf("file %s: %w", f.ID, fault.NotFound)
	}
	f.Awaited = false
	return l.update(func(tx *bolt.Tx) error {
		body, err := json.Marshal(f)
		if err != nil {
			return err
		}
		return tx.Bucket(filesBucket).Put(seqKey(n), body)
	})
}

// FileOf finds a file by its id.
func (l *Log) FileOf(id string) (f File, ok bool, err error) {
	n, ok := fileNumber(id)
	if !ok {
		return f, false, nil
	}
	ok = false
	err = l.view(func(tx *bolt.Tx) error {
		body := tx.Bucket(filesBucket).Get(seqKey(n))
		if body == nil {
			return nil
		}
		ok = true
		return json.Unmarshal(body, &f)
	})
	f.ID = id
	return f, ok, err
}

func (l *Log) update(do func(*bolt.Tx) error) error { return named(l.db.Update(do)) }

func (l *Log) view(do func(*bolt.Tx) error) error { return named(l.db.View(do)) }

func named(err error) error {
	if err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	return nil
}
