// Package ssm keeps secrets as SecureStrings in the Parameter Store of AWS
// Systems Manager.
package ssm

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"buzon/internal/fault"
	"buzon/internal/secret"
	"buzon/internal/signed"
)

// maxCached is how many values are remembered; beyond it all are forgotten.
const maxCached = 1000

// Options of New.
type Options struct {
	// Now is the clock of the cache; nil: the machine's.
	Now func() time.Time
	// CacheFor is how long a value that was found is given again without asking;
	// 0: not at all. That there is none is asked for every time.
	CacheFor time.Duration
}

// Store is the part of Parameter Store below a prefix. Values are encrypted with
// the account's key aws/ssm. It is safe for use by several goroutines. What is
// put and deleted by it takes effect in it at once, what others do within
// CacheFor.
//
// Every method gives a fault.Busy if SSM refused for the moment; another error
// leaves the outcome unknown. No error holds a value.
type Store struct {
	service  *signed.Service
	prefix   string
	now      func() time.Time
	cacheFor time.Duration

	mu     sync.Mutex
	writes int               // grows with each beginning and end of a write
	cached map[string]cached // by name
}

type cached struct {
	value string
	until time.Time
}

var _ secret.Store = (*Store)(nil)

// New is the store below a prefix, such as "/buzon-prod": the parameter of a
// secret is named prefix + name.
func New(service *signed.Service, prefix string, o Options) *Store {
	s := &Store{service: service, prefix: prefix, now: o.Now, cacheFor: o.CacheFor, cached: map[string]cached{}}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// parameter is what SSM is asked with (Systems Manager API reference).
type parameter struct {
	Name           string
	Value          string `json:",omitempty"`
	Type           string `json:",omitempty"`
	Overwrite      bool   `json:",omitempty"`
	WithDecryption bool   `json:",omitempty"`
}

func (s *Store) call(ctx context.Context, operation string, in parameter, out any) error {
	return s.service.JSON(ctx, "1.1", "AmazonSSM."+operation, in, out)
}

// valid tells why there is no such parameter. The limits of SSM hold for the
// whole name.
func (s *Store) valid(name string) error {
	if err := secret.ValidName(name); err != nil {
		return err
	}
	if err := secret.ValidName(s.prefix + name); err != nil {
		return fmt.Errorf("secret %s below %s: %w", name, s.prefix, err)
	}
	return nil
}

// Get implements [secret.Store].
func (s *Store) Get(ctx context.Context, name string) (string, error) {
	if err := s.valid(name); err != nil {
		return "", err
	}
	value, writes, ok := s.look(name)
	if ok {
		return value, nil
	}
	return s.read(ctx, name, writes)
}

// Fresh implements [secret.Store].
func (s *Store) Fresh(ctx context.Context, name string) (string, error) {
	if err := s.valid(name); err != nil {
		return "", err
	}
	return s.read(ctx, name, s.forget(name))
}

// read asks SSM, and keeps the answer unless there were writes since.
func (s *Store) read(ctx context.Context, name string, writes int) (string, error) {
	var out struct{ Parameter struct{ Value *string } }
	if err := s.call(ctx, "GetParameter", parameter{Name: s.prefix + name, WithDecryption: true}, &out); err != nil {
		return "", s.explain(name, "ssm:GetParameter", err)
	}
	if out.Parameter.Value == nil {
		return "", fmt.Errorf("secret %s: answered without a value", name)
	}
	s.keep(name, *out.Parameter.Value, writes)
	return *out.Parameter.Value, nil
}

// Put implements [secret.Store].
func (s *Store) Put(ctx context.Context, name, value string) error {
	return s.set(ctx, name, value, true)
}

// Create implements [secret.Store]. After an error of an unknown outcome, the
// conflict of another try may be the first one's success.
func (s *Store) Create(ctx context.Context, name, value string) error {
	return s.set(ctx, name, value, false)
}

func (s *Store) set(ctx context.Context, name, value string, overwrite bool) error {
	if err := s.valid(name); err != nil {
		return err
	}
	if err := secret.ValidValue(value); err != nil {
		return fmt.Errorf("secret %s: %w", name, err)
	}
	writes := s.forget(name)
	err := s.call(ctx, "PutParameter", parameter{Name: s.prefix + name, Value: value, Type: "SecureString", Overwrite: overwrite}, &struct{}{})
	s.forget(name)
	if err == nil {
		s.keep(name, value, writes+1)
	}
	return s.explain(name, "ssm:PutParameter", err)
}

// Delete implements [secret.Store].
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := s.valid(name); err != nil {
		return err
	}
	s.forget(name)
	defer s.forget(name)
	err := s.call(ctx, "DeleteParameter", parameter{Name: s.prefix + name}, &struct{}{})
	if err = s.explain(name, "ssm:DeleteParameter", err); errors.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// look finds a value that still holds, and tells where the writes are.
func (s *Store) look(name string) (value string, writes int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.cached[name]
	return c.value, s.writes, ok && s.now().Before(c.until)
}

// keep remembers a value, unless a write was under way since it was asked for:
// it may be the old one.
func (s *Store) keep(name, value string, writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cacheFor <= 0 || s.writes != writes {
		return
	}
	if len(s.cached) >= maxCached {
		clear(s.cached)
	}
	s.cached[name] = cached{value, s.now().Add(s.cacheFor)}
}

// forget is called before and after a write, and tells where the writes are
// then. What was asked for before either is not remembered.
func (s *Store) forget(name string) (writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	delete(s.cached, name)
	return s.writes
}

// permission finds the action that a role lacks in the text of a refusal: that
// of the call, or one of the key that the value is encrypted with.
var permission = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\b(?:ssm|kms):[A-Z][A-Za-z]{2,40}\b`) })

// explain is err in the words of package fault. The text of SSM itself is left
// out: it may quote what was sent.
func (s *Store) explain(name, action string, err error) error {
	if err == nil {
		return nil
	}
	var refusal *signed.Error
	if !errors.As(err, &refusal) {
		return fmt.Errorf("secret %s: %s: %w", name, action, err)
	}
	code := refusal.Code
	switch code {
	case "ParameterNotFound":
		return fmt.Errorf("secret %s: %w", name, fault.NotFound)
	case "ParameterAlreadyExists":
		return fmt.Errorf("secret %s: %w", name, fault.Conflict)
	case "ParameterPatternMismatchException", "InvalidAllowedPatternException", "HierarchyLevelLimitExceededException",
		"HierarchyTypeMismatchException", "UnsupportedParameterType", "ValidationException":
		return fmt.Errorf("secret %s: parameter %s%s: %s: %w", name, s.prefix, name, code, fault.Invalid)
	case "AccessDeniedException", "AccessDenied":
		if lacks := permission().FindString(refusal.Message); lacks != "" {
			action = lacks
		}
		return fmt.Errorf("secret %s: parameter %s%s: the role lacks %s (%s)", name, s.prefix, name, action, code)
	}
	if refusal.Busy() || code == "TooManyUpdates" {
		return fmt.Errorf("secret %s: %s: %s: %w", name, action, code, fault.Busy)
	}
	return fmt.Errorf("secret %s: %s: %w", name, action, refusal)
}
