package web

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"buzon/internal/fault"
	"buzon/internal/locale"
)

// RetryAfter is how many seconds a caller who was refused for the moment is
// asked to wait.
const RetryAfter = 2

// Refused is an answer that says what is wrong with the request itself, or with
// the state it meets, beyond the kinds of fault. It may be shown.
type Refused struct {
	Status int
	// Code is stable and never translated; its sentence is the locale key
	// "problem." + Code.
	Code string
	// Params fill the sentence.
	Params map[string]string
	// Problems name the fields or headers that are meant; may be empty.
	Problems []fault.Problem
}

func (e *Refused) Error() string { return "refused: " + strconv.Itoa(e.Status) + " " + e.Code }

// verdict is how an error is answered.
type verdict struct {
	status int
	code   string
}

const (
	codeInternal = "internal"
	codeNotSetUp = "not_set_up"
	codeBusy     = "busy"
)

// reported are the lines in the log, by the code of the answer. A Busy may be a
// moment's, or a certificate that is never trusted: its cause tells.
var reported = map[string]struct {
	level slog.Level
	text  string
}{
	codeInternal: {slog.LevelError, "internal error"},
	codeNotSetUp: {slog.LevelError, "not set up"},
	codeBusy:     {slog.LevelWarn, "busy"},
}

// verdicts is the one table from kinds of fault to HTTP. An error that is none
// of them is a 500 whose text is withheld.
var verdicts = []struct {
	kind fault.Kind
	verdict
}{
	{fault.Invalid, verdict{http.StatusUnprocessableEntity, "invalid"}},
	{fault.NotFound, verdict{http.StatusNotFound, "not_found"}},
	{fault.Conflict, verdict{http.StatusConflict, "conflict"}},
	{fault.Forbidden, verdict{http.StatusForbidden, "forbidden"}},
	{fault.Busy, verdict{http.StatusServiceUnavailable, codeBusy}},
}

// judge gives the verdict on an error and the problems that may be shown.
func judge(err error) (verdict, map[string]string, []fault.Problem) {
	var refused *Refused
	if errors.As(err, &refused) {
		return verdict{refused.Status, refused.Code}, refused.Params, refused.Problems
	}
	var input *fault.Input
	if errors.As(err, &input) {
		return verdict{http.StatusUnprocessableEntity, "see_errors"}, nil, input.Problems
	}
	var missing *fault.Missing
	if errors.As(err, &missing) {
		return verdict{http.StatusServiceUnavailable, codeNotSetUp}, map[string]string{"what": missing.What}, nil
	}
	for _, v := range verdicts {
		if errors.Is(err, v.kind) {
			return v.verdict, nil, nil
		}
	}
	return verdict{http.StatusInternalServerError, codeInternal}, nil, nil
}

// Report is the status for an error. One that is internal, or that an operator may
// have to mend, is logged here, with the id of the request: so a page that renders
// errors in its own way logs them once too.
func Report(r *http.Request, err error) int {
	v, _, _ := judge(err)
	if line, ok := reported[v.code]; ok {
		e := edgeOf(r)
		e.log.Log(r.Context(), line.level, line.text, "request_id", e.id, "route", route(r), "error", err.Error())
	}
	return v.status
}

// Fail answers with application/problem+json (RFC 9457): the status by the kind
// of err, sentences in the language of Accept-Language, codes never translated.
// An internal error is logged and its text withheld. Nothing may have been
// written before.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	Report(r, err)
	v, params, problems := judge(err)
	h := w.Header()
	switch v.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(RetryAfter))
	}
	writeProblem(w, r, v, params, problems...)
}

// Problem is the body of an error (contract section 3).
type Problem struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Code      string         `json:"code"`
	Detail    string         `json:"detail"`
	RequestID string         `json:"request_id"`
	Errors    []FieldProblem `json:"errors"`
}

// FieldProblem is one thing that is wrong with what was sent.
type FieldProblem struct {
	Field  string `json:"field"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func writeProblem(w http.ResponseWriter, r *http.Request, v verdict, params map[string]string, problems ...fault.Problem) {
	lang := locale.Match(r.Header.Get("Accept-Language"), "")
	texts := locale.For(lang)
	status := strconv.Itoa(v.status)
	p := Problem{
		Type:      "/docs#problem-" + status,
		Title:     texts.Text("problem.title." + status),
		Status:    v.status,
		Code:      v.code,
		Detail:    texts.TextWith("problem."+v.code, params),
		RequestID: RequestID(r),
		Errors:    []FieldProblem{},
	}
	for _, x := range problems {
		p.Errors = append(p.Errors, FieldProblem{x.Field, x.Code, texts.TextWith("problem."+x.Code, x.Params)})
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Language", lang)
	h.Add("Vary", "Accept-Language")
	write(w, v.status, "application/problem+json", p)
}

// JSON answers with v as JSON.
func JSON(w http.ResponseWriter, status int, v any) { write(w, status, "application/json", v) }

func write(w http.ResponseWriter, status int, contentType string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // unreachable: answers are made of plain data
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(b)+1))
	w.WriteHeader(status)
	w.Write(append(b, '\n')) // a reader that is gone needs no answer
}
