package bot

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"buzon/internal/desk"
)

// step is the question that waits for an answer.
type step string

const (
	stepMenu     step = "menu" // registered people only (S1-04)
	stepProject  step = "project"
	stepGroup    step = "group" // groups, and beside them the services without one (S1-20)
	stepService  step = "service"
	stepCategory step = "category"
)

// stateVersion changes when a state that older code wrote can not be continued.
const stateVersion = 1

// maxStoredID is the longest id that a state may hold.
const maxStoredID = 128

// state is what a conversation keeps of a running dialogue: at most 1 KB of JSON.
type state struct {
	V        int       `json:"v"`
	Dialogue string    `json:"id"` // names the dialogue in row ids: dialogueName
	Step     step      `json:"step"`
	Version  int       `json:"n"` // selections so far; part of row ids, so that old lists are told apart (Q6)
	Project  string    `json:"project,omitempty"`
	Group    string    `json:"group,omitempty"`
	Service  string    `json:"service,omitempty"`
	Page     int       `json:"page,omitempty"`  // of the list shown last, from 1
	Wrong    int       `json:"wrong,omitempty"` // wrong inputs in a row
	Lang     string    `json:"lang"`
	Until    time.Time `json:"until"` // the dialogue has run out at this moment
}

// readState takes a stored state; false for none, and for one that is damaged or
// of another version: the dialogue then begins anew.
func readState(stored json.RawMessage) (state, bool) {
	var s state
	if len(stored) == 0 || json.Unmarshal(stored, &s) != nil {
		return state{}, false
	}
	return s, s.sound()
}

func (s state) sound() bool {
	if s.V != stateVersion || !isDialogueName(s.Dialogue) || !slices.Contains(desk.Languages[:], s.Lang) || s.Until.IsZero() {
		return false
	}
	if s.Version < 0 || s.Version > maxVersion || s.Wrong < 0 || s.Wrong >= desk.MaxWrongInputs || s.Page < 0 || s.Page > maxPage {
		return false
	}
	if max(len(s.Project), len(s.Group), len(s.Service)) > maxStoredID {
		return false
	}
	switch s.Step {
	case stepMenu, stepProject:
		return s.Project == "" && s.Group == "" && s.Service == ""
	case stepGroup:
		return s.Project != "" && s.Group == "" && s.Service == ""
	case stepService:
		return s.Project != "" && s.Service == ""
	case stepCategory:
		return s.Project != "" && s.Service != ""
	}
	return false
}

// dialogueName is short, of fixed length and derived from the id of the turn that
// began the dialogue.
func dialogueName(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:8])
}

func isDialogueName(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 8 && hex.EncodeToString(b) == s
}
