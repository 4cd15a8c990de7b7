package approval_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"buzon/internal/channel"
	"buzon/internal/crashtest"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue/queuetest"
)

// reviewer is the provider: accounts with templates, of which it gives pages.
type reviewer struct {
	now   func() time.Time
	plan  *crashtest.Plan
	yield bool

	mu       sync.Mutex
	accounts map[string]*account
}

// account is what the provider keeps of one app.
type account struct {
	list []channel.Listed
	// submits are the names that were asked for, made those that it made.
	submits, made []string
	lists         int // readings that began
	pages         int // pages given
	asked         []time.Time
	// submit and page answer instead of it when they are set and give an error.
	submit func(n int) *channel.Error
	page   func(reading, n int) *channel.Error
	// lose: the template is made and the answer is lost.
	lose func(n int) bool
	// before runs ahead of every page.
	before func(n int)
	// lag hides the newest of the list so many readings long.
	lag int
}

const pageSize = 100

func (p *reviewer) account(app string) *account {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.accounts[app] == nil {
		p.accounts[app] = &account{}
	}
	return p.accounts[app]
}

// set gives a template the state; one that is not there is added.
func (a *account) set(l channel.Listed) {
	if l.Language == "" {
		l.Language = "es"
	}
	for i := range a.list {
		if a.list[i].ProviderID == l.ProviderID {
			l.Name = cmp.Or(l.Name, a.list[i].Name)
			a.list[i] = l
			return
		}
	}
	a.list = append(a.list, l)
}

func (a *account) remove(id string) {
	a.list = slices.DeleteFunc(a.list, func(l channel.Listed) bool { return l.ProviderID == id })
}

// effect performs a call, which may go wrong by the plan.
func (p *reviewer) effect(ctx context.Context, name string, do func() error) error {
	if p.yield {
		queuetest.Yield(ctx)
	}
	if p.plan == nil {
		return do()
	}
	err := p.plan.Effect(name, do)
	var e *channel.Error
	switch {
	case err == nil || errors.As(err, &e):
		return err
	case errors.Is(err, fault.Busy):
		return &channel.Error{Verdict: channel.Later, Code: "503", Reason: "provider_error", Cause: desk.WaitUnavailable}
	}
	return &channel.Error{Verdict: channel.Unknown, Code: "timeout", Reason: desk.ReasonUnknown}
}

func (p *reviewer) Submit(ctx context.Context, ac channel.Account, t desk.Template) (channel.Listed, error) {
	a := p.account(ac.Channel.AppID)
	var listed channel.Listed
	err := p.effect(ctx, "submit", func() error {
		n := len(a.submits)
		a.submits = append(a.submits, t.Name)
		if a.submit != nil {
			if e := a.submit(n); e != nil {
				return e
			}
		}
		if slices.ContainsFunc(a.list, func(l channel.Listed) bool { return l.Name == t.Name && l.Language == t.Language }) {
			return &channel.Error{Verdict: channel.Refused, Code: channel.CodeNameTaken, Reason: channel.CodeNameTaken}
		}
		listed = channel.Listed{
			ProviderID: pid(1000 + len(a.made)), Name: t.Name, Language: t.Language, Category: t.Category, State: desk.ProviderPending,
			Body: t.Body, Type: cmp.Or(t.Type, desk.TemplateText),
		}
		if t.Category == desk.CategoryAuthentication { // its text is the provider's
			listed.Body = "*{{1}}* is your verification code."
		}
		a.made = append(a.made, t.Name)
		a.list = append(a.list, listed)
		if a.lose != nil && a.lose(n) {
			return &channel.Error{Verdict: channel.Unknown, Code: "timeout", Reason: desk.ReasonUnknown}
		}
		return nil
	})
	if err != nil {
		return channel.Listed{}, err
	}
	return listed, nil
}

func (p *reviewer) List(ctx context.Context, ac channel.Account, each func([]channel.Listed) error) error {
	a := p.account(ac.Channel.AppID)
	reading := a.lists
	a.lists++
	a.asked = append(a.asked, p.now())
	for n := 0; ; n++ {
		if a.before != nil {
			a.before(n)
		}
		var page []channel.Listed
		err := p.effect(ctx, "list", func() error {
			if a.page != nil {
				if e := a.page(reading, n); e != nil {
					return e
				}
			}
			whole := a.list
			if a.lag > 0 && len(whole) > 0 {
				a.lag--
				whole = whole[:len(whole)-1]
			}
			from := min(n*pageSize, len(whole))
			page = slices.Clone(whole[from:min(from+pageSize, len(whole))])
			a.pages++
			return nil
		})
		if err != nil {
			return err
		}
		if err := each(page); err != nil {
			return err
		}
		if len(page) < pageSize {
			return nil
		}
	}
}
