package simulator

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"

	"buzon/infra/local/ids"
	"buzon/internal/desk"
)

// The paths of Meta's API (providers.md 2.5).
const (
	graph         = "/v25.0/"
	pathMessages  = graph + "{id}/messages"
	pathMedia     = graph + "{id}/media"
	pathOfAccount = graph + "{id}/message_templates"
	pathUploads   = graph + "app/uploads"
	pathThing     = graph + "{id}"
)

// The largest file that Meta takes, in bytes, and the form around it.
const (
	maxMedia     = 100 << 20
	maxMediaForm = maxMedia + 1<<20
)

// The codes of Meta's errors (providers.md 2.6).
const (
	metaInternal  = 2
	metaInvalid   = 100
	metaToken     = 190
	metaParams    = 132000
	metaNoSuch    = 132001
	metaPaused    = 132015
	metaDisabled  = 132016
	metaNameTaken = 2388024 // a subcode of metaInvalid
)

// Meta stands in for Meta's Graph API as far as the WhatsApp Cloud API goes: it checks
// what is sent as the real one does, keeps it as the person's messages and answers
// with an id. What becomes of them is told to the webhook by [Simulator.Tell], signed.
//
// Number and account of a Line have that line's token. Any other number or account is
// taken to exist, with the token of its first request.
func (s *Simulator) Meta() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pathMessages, s.ofThing(s.takeMeta))
	mux.HandleFunc("POST "+pathMedia, s.ofThing(s.media))
	mux.HandleFunc("GET "+pathThing, s.ofThing(s.number))
	mux.HandleFunc("POST "+pathOfAccount, s.ofThing(s.requestMetaTemplate))
	mux.HandleFunc("GET "+pathOfAccount, s.ofThing(s.listMetaTemplates))
	mux.HandleFunc("POST "+pathUploads, s.beginUpload)
	mux.HandleFunc("POST "+pathThing, s.endUpload)
	return mux
}

// graphError is an error as Meta answers it.
type graphError struct {
	status, code, subcode int
	message, details      string
}

// refuseMeta answers with an error.
func refuseMeta(w http.ResponseWriter, e graphError) {
	said := map[string]any{
		"message": e.message, "type": "OAuthException", "code": e.code, "fbtrace_id": "A" + ids.Secret()[:20],
	}
	if e.subcode != 0 {
		said["error_subcode"], said["is_transient"], said["error_user_msg"] = e.subcode, false, e.details
	} else if e.details != "" {
		said["error_data"] = map[string]string{"messaging_product": "whatsapp", "details": e.details}
	}
	answer(w, e.status, map[string]any{"error": said})
}

func invalid(details string) graphError {
	return graphError{status: http.StatusBadRequest, code: metaInvalid, message: "(#100) Invalid parameter", details: details}
}

// failedMeta answers a request that could not be handled for a fault of the simulator.
func (s *Simulator) failedMeta(w http.ResponseWriter, err error) {
	s.Log.Error("simulator: request not handled", "error", err)
	refuseMeta(w, graphError{status: http.StatusInternalServerError, code: metaInternal, message: "(#2) Service temporarily unavailable"})
}

// token is the token of a request; scheme is how it is announced.
func token(r *http.Request, scheme string) string {
	t, ok := strings.CutPrefix(r.Header.Get("Authorization"), scheme+" ")
	if !ok {
		return ""
	}
	return t
}

func refuseToken(w http.ResponseWriter) {
	refuseMeta(w, graphError{status: http.StatusUnauthorized, code: metaToken, message: "Invalid OAuth access token - Cannot parse access token"})
}

// graphID is an id of Meta's.
var graphID = regexp.MustCompile(`^[0-9]{1,32}$`)

// ofThing handles a request of the number or account that the path names, with its
// token.
func (s *Simulator) ofThing(h func(w http.ResponseWriter, r *http.Request, id string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, given := r.PathValue("id"), token(r, "Bearer")
		if given == "" {
			refuseToken(w)
			return
		}
		if !graphID.MatchString(id) {
			refuseMeta(w, graphError{
				status: http.StatusBadRequest, code: metaInvalid, subcode: 33, message: "Unsupported request: object does not exist",
				details: "Object does not exist or cannot be loaded due to missing permissions",
			})
			return
		}
		ok, err := s.holds(id, given)
		switch {
		case err != nil:
			s.failedMeta(w, err)
		case !ok:
			refuseToken(w)
		default:
			h(w, r, id)
		}
	}
}

// holds tells whether a token is that of a number or account.
func (s *Simulator) holds(id, given string) (bool, error) {
	for _, l := range s.Lines {
		if l.Provider == desk.ProviderMeta && (l.PhoneNumberID == id || l.AccountID == id) {
			return same(l.AccessToken, given), nil
		}
	}
	known, err := s.Phones.Key(metaApp(id), given)
	return same(known, given), err
}

// number tells of a number what a channel is tried by.
func (s *Simulator) number(w http.ResponseWriter, _ *http.Request, id string) {
	about := map[string]any{"id": id}
	if l, ok := s.lineOfApp(metaApp(id)); ok {
		about["display_phone_number"], about["verified_name"] = "+"+l.Identifier, l.Company
	}
	answer(w, http.StatusOK, about)
}

// readMeta reads a body of JSON into v, and gives it without needless space; false:
// it is none, which has been answered.
func readMeta(w http.ResponseWriter, r *http.Request, v any) (json.RawMessage, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	var b bytes.Buffer
	if err != nil || json.Compact(&b, body) != nil || json.Unmarshal(b.Bytes(), v) != nil {
		refuseMeta(w, invalid("body is not JSON of the right types"))
		return nil, false
	}
	return b.Bytes(), true
}

// takeMeta handles one send.
func (s *Simulator) takeMeta(w http.ResponseWriter, r *http.Request, number string) {
	var m metaMessage
	body, ok := readMeta(w, r, &m)
	if !ok {
		return
	}
	var c checks
	m.check(&c)
	if c.problem != "" {
		refuseMeta(w, invalid(c.problem))
		return
	}
	refusal, err := s.unsendableMeta(m, token(r, "Bearer"))
	switch {
	case err != nil:
		s.failedMeta(w, err)
		return
	case refusal != nil:
		refuseMeta(w, *refusal)
		return
	}
	wamid := ids.WAMID()
	e := Entry{
		App: metaApp(number), Number: m.person(), At: s.Now(), ID: wamid, WAMID: wamid, Source: number,
		Path: r.URL.Path, Message: body,
	}
	if _, known := s.lineOfApp(e.App); !known {
		e.Tries = maxTries // nobody knows its webhook and secret
	}
	if _, err := s.Phones.Add(e); err != nil {
		s.failedMeta(w, err)
		return
	}
	s.wake()
	contact := map[string]string{"input": e.Number}
	if validNumber(e.Number) {
		contact["wa_id"] = e.Number
	} else {
		contact["user_id"] = e.Number
	}
	answer(w, http.StatusOK, map[string]any{
		"messaging_product": "whatsapp", "contacts": []any{contact},
		"messages": []any{map[string]string{"id": wamid, "message_status": "accepted"}},
	})
}

// media takes a file that is to be sent: what it is, not its bytes.
func (s *Simulator) media(w http.ResponseWriter, r *http.Request, number string) {
	f, problem := readFile(w, r, maxMediaForm, maxMedia)
	if problem != "" {
		refuseMeta(w, invalid(problem))
		return
	}
	f.App = metaApp(number)
	id, err := s.Phones.AddFile(f)
	if err != nil {
		s.failedMeta(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"id": id})
}
