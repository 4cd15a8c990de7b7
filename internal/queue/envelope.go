package queue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"buzon/internal/fault"
)

// Version of the envelopes that this code writes and reads.
const Version = 1

// Envelope is the wire form of every message between stages:
//
//	{"v":1,"stage":"inbound","tenant":"demo","body":{…}}
//
// Fields may be added to it and to its body without a new version: readers
// ignore what they do not know (R16). A new version is for what an old reader
// would misunderstand.
type Envelope[T any] struct {
	V      int    `json:"v"`
	Stage  string `json:"stage"`
	Tenant string `json:"tenant"`
	Body   T      `json:"body"`
}

// The reasons of an [Unreadable].
const (
	NotJSON        = "not_json"
	TrailingData   = "trailing_data"
	UnknownVersion = "unknown_version"
	WrongStage     = "wrong_stage"
	NoTenant       = "no_tenant"
	BadBody        = "bad_body"
)

// Unreadable: these bytes are no message to this stage and never will be. A
// [Worker] whose handler returns it quarantines the record with the reason.
type Unreadable struct {
	Reason string // one of the codes above
}

func (e *Unreadable) Error() string { return "envelope: " + e.Reason }

// Seal is a body on its way to a stage, as bytes that any queue takes. A body
// that is null or too long, an empty stage or tenant: fault.Invalid.
func Seal[T any](stage, tenant string, body T) ([]byte, error) {
	if stage == "" || tenant == "" {
		return nil, fmt.Errorf("envelope without stage or tenant: %w", fault.Invalid)
	}
	sealed, err := Encode(Envelope[T]{Version, stage, tenant, body})
	if err == nil && bytes.HasSuffix(sealed, []byte(`"body":null}`)) {
		return nil, fmt.Errorf("envelope without body: %w", fault.Invalid)
	}
	return sealed, err
}

// Open reads what [Seal] wrote for this stage. The error is an *Unreadable; the
// tenant is given even then, if it could be read, for the quarantine's sake.
// Names of the envelope are taken as written; "Stage" is not "stage" (T7).
func Open[T any](stage string, raw []byte) (tenant string, body T, err error) {
	var wire map[string]json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&wire); err != nil || wire == nil {
		return "", body, &Unreadable{NotJSON}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return "", body, &Unreadable{TrailingData}
	}
	noTenant := json.Unmarshal(wire["tenant"], &tenant) != nil || tenant == ""
	var version int
	if json.Unmarshal(wire["v"], &version) != nil || version != Version {
		return tenant, body, &Unreadable{UnknownVersion}
	}
	var to string
	if json.Unmarshal(wire["stage"], &to) != nil || to != stage {
		return tenant, body, &Unreadable{WrongStage}
	}
	if noTenant {
		return "", body, &Unreadable{NoTenant}
	}
	if inner := wire["body"]; isNull(inner) || json.Unmarshal(inner, &body) != nil {
		var none T
		return tenant, none, &Unreadable{BadBody}
	}
	return tenant, body, nil
}

func isNull(raw []byte) bool { return len(raw) == 0 || string(raw) == "null" }
