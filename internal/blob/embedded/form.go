package embedded

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"time"

	"buzon/internal/blob"
	"buzon/internal/fault"
)

const (
	// maxFields is how many bytes of a posted form may come before the file, as
	// S3 has it.
	maxFields = 20 << 10
	// maxTail is how many are read beyond the file, to find its end.
	maxTail = 1 << 10
)

// The names of fields, which count in any case.
const (
	keyField       = "key"
	typeField      = "content-type"
	statusField    = "success_action_status"
	policyField    = "policy"
	signatureField = "x-amz-signature"
	fileField      = "file"
)

// policy is what a form allows, signed as its JSON in base64.
type policy struct {
	Expiration int64             `json:"expiration"` // Unix, ms
	Fields     map[string]string `json:"fields"`
	MinBytes   int64             `json:"min_bytes"`
	MaxBytes   int64             `json:"max_bytes"`
}

// Form implements [blob.Store]. The key is taken once: what is posted when there
// is an object under it is refused.
func (s *Store) Form(_ context.Context, key string, u blob.Upload) (blob.Form, error) {
	if err := blob.ValidKey(key); err != nil {
		return blob.Form{}, err
	}
	if err := u.Valid(); err != nil {
		return blob.Form{}, fmt.Errorf("form for %s: %w", key, err)
	}
	until := s.now().Add(u.Expires).UTC().Truncate(time.Millisecond)
	fields := map[string]string{keyField: key, typeField: u.ContentType, statusField: strconv.Itoa(http.StatusNoContent)}
	text, err := json.Marshal(policy{until.UnixMilli(), fields, u.MinBytes, u.MaxBytes})
	if err != nil {
		return blob.Form{}, fmt.Errorf("form for %s: %w", key, err)
	}
	fields[policyField] = base64.StdEncoding.EncodeToString(text)
	fields[signatureField] = base64.RawURLEncoding.EncodeToString(s.sign("form", fields[policyField]))
	return blob.Form{URL: s.base() + prefix, Fields: fields, ExpiresAt: until}, nil
}

// refusal is an answer to a form, in the words of S3.
type refusal struct {
	status        int
	code, message string
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

func denied(why string) *refusal {
	return &refusal{http.StatusForbidden, "AccessDenied", "Invalid according to Policy: " + why}
}

func missing(field string) *refusal {
	return &refusal{http.StatusBadRequest, "InvalidArgument", "Bucket POST must contain a field named '" + field + "'.  If it is specified, please check the order of the fields."}
}

var (
	errNoForm    = &refusal{http.StatusPreconditionFailed, "PreconditionFailed", "Bucket POST must be of the enclosure-type multipart/form-data"}
	errMalformed = &refusal{http.StatusBadRequest, "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data."}
	errFields    = &refusal{http.StatusBadRequest, "MaxPostPreDataLengthExceededError", "Your POST request fields preceding the upload file were too large."}
	errNoFile    = &refusal{http.StatusBadRequest, "IncorrectNumberOfFilesInPostRequest", "POST requires exactly one file upload per request."}
	errAnonymous = &refusal{http.StatusForbidden, "AccessDenied", "Access Denied"}
	errSignature = &refusal{http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method."}
	errExpired   = denied("Policy expired.")
	errTooLarge  = &refusal{http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"}
	errTooSmall  = &refusal{http.StatusBadRequest, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"}
	errTaken     = &refusal{http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"}
	errInternal  = &refusal{http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again."}
)

// upload answers a posted form.
func (s *Store) upload(w http.ResponseWriter, r *http.Request) {
	err := s.take(r)
	var no *refusal
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
		return
	case errors.As(err, &no):
	case errors.Is(err, fault.Conflict):
		no = errTaken
	default:
		no = errInternal
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(no.status)
	// The reader may be gone.
	_, _ = fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>", no.code, no.message)
}

// take stores the object of a posted form. It reads the fields, and of the file
// what the form allows, never more than maxFields, MaxBytes and maxTail together,
// and holds no more than the fields of it at a time.
func (s *Store) take(r *http.Request) error {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return errNoForm
	}
	body := &budget{r: r.Body, left: maxFields}
	fields, file, err := readFields(multipart.NewReader(body, params["boundary"]))
	if body.over {
		return errFields
	}
	if err != nil {
		return err
	}
	p, err := s.allowed(fields)
	if err != nil {
		return err
	}
	body.left += p.MaxBytes + maxTail
	return s.add(r.Context(), p.Fields[keyField], p.Fields[typeField], &sized{r: file, min: p.MinBytes, max: p.MaxBytes}, true)
}

// readFields reads what comes before the file.
func readFields(form *multipart.Reader) (map[string]string, io.Reader, error) {
	fields := map[string]string{}
	for {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil, nil, errNoFile
		}
		if err != nil {
			return nil, nil, errMalformed
		}
		name := strings.ToLower(part.FormName())
		if name == fileField {
			return fields, part, nil
		}
		value, err := io.ReadAll(part)
		if _, twice := fields[name]; err != nil || name == "" || twice {
			return nil, nil, errMalformed
		}
		fields[name] = string(value)
	}
}

// allowed is the policy of a form, if it is one of ours, still holds and allows
// the fields.
func (s *Store) allowed(fields map[string]string) (policy, error) {
	text, hasPolicy := fields[policyField]
	proof, hasProof := fields[signatureField]
	_, hasKey := fields[keyField]
	switch {
	case !hasKey:
		return policy{}, missing(keyField)
	case !hasPolicy && !hasProof:
		return policy{}, errAnonymous
	case !hasPolicy:
		return policy{}, missing(policyField)
	case !hasProof:
		return policy{}, missing(signatureField)
	}
	signature := base64.RawURLEncoding.EncodeToString(s.sign("form", text)) // compared as it is written, as a link's
	if !hmac.Equal([]byte(proof), []byte(signature)) {
		return policy{}, errSignature
	}
	var p policy
	raw, err := base64.StdEncoding.DecodeString(text)
	if err = errors.Join(err, json.Unmarshal(raw, &p)); err != nil {
		return policy{}, fmt.Errorf("policy: %w", err) // signed, and none of ours
	}
	if !s.now().Before(time.UnixMilli(p.Expiration)) {
		return policy{}, errExpired
	}
	for name, want := range p.Fields {
		if got, ok := fields[name]; !ok || got != want {
			return policy{}, denied("Policy Condition failed for " + name)
		}
	}
	for name := range fields {
		_, ok := p.Fields[name]
		if !ok && name != policyField && name != signatureField && !strings.HasPrefix(name, "x-ignore-") {
			return policy{}, denied("Extra input fields")
		}
	}
	return p, nil
}

// budget is a body of which so much may be read.
type budget struct {
	r    io.Reader
	left int64
	over bool // more was asked for
}

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 && len(p) > 0 {
		b.over = true
		return 0, errTooLarge
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// sized is a file that ends in a refusal unless it has a size between both edges
// and an end.
type sized struct {
	r              io.Reader
	min, max, size int64
}

func (s *sized) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.size += int64(n)
	switch {
	case s.size > s.max || errors.Is(err, errTooLarge):
		return 0, errTooLarge
	case errors.Is(err, io.EOF) && s.size < s.min:
		return 0, errTooSmall
	case err != nil && err != io.EOF:
		return 0, errMalformed
	}
	return n, err
}
