package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// wholeList is how many templates the provider's list holds: two full pages and a
// half one.
const wholeList = 250

// listing plays the reading of a provider's list of templates.
func listing(ctx context.Context, p *play) {
	for _, c := range []struct{ provider, how string }{
		{"gupshup", "by numbers of pages"},
		{providerMeta, "by cursors"},
	} {
		p.listing(ctx, c.provider, c.how)
	}
}

func (p *play) listing(ctx context.Context, provider, how string) {
	var b *bench
	var first, last seenTemplate
	if !p.check(fmt.Sprintf("%s: a list of %d over three pages, one of ours on the first and one on the last", provider, wholeList), func() (err error) {
		if b, err = p.newBench(ctx, provider); err != nil {
			return err
		}
		first = b.marker
		for i := range wholeList - 2 {
			id := p.outbox.number()
			if provider == "gupshup" {
				id = p.uuid("d")
			}
			b.account.put(theirs{ID: id, Name: fmt.Sprintf("ajena_%03d", i), Language: "es", Category: "UTILITY", State: "APPROVED"})
		}
		last, err = p.request(ctx, b.line, notice("la_ultima"))
		return err
	}) {
		return
	}
	fails := func(page int, o outcome) {
		b.account.has(func(c call) outcome {
			if c.kind == "list" && c.page == page {
				return o
			}
			return accept
		})
	}
	p.check("a page that fails: the reading is not ok, what was read counts, and nothing is missing", func() error {
		b.account.becomes(first.ProviderID, "approved", "")
		b.account.becomes(last.ProviderID, "approved", "")
		for _, o := range []outcome{fail, unwell, lose} {
			fails(1, o)
			got, err := p.sync(ctx, b.line)
			if err != nil {
				return err
			}
			if got.OK || got.Error == "" || got.Missing > 0 {
				return fmt.Errorf("last_sync %+v", got)
			}
		}
		is, err := b.now(first)
		if err != nil || !is.Sendable {
			return fmt.Errorf("on the page that was read: %v: %w", is, err)
		}
		if is, err = b.now(last); err != nil || is.State != "pending" {
			return fmt.Errorf("on a page that was not: %v: %w", is, err)
		}
		return nil
	})
	p.check(fmt.Sprintf("whole again, read to its end %s: %d seen", how, wholeList), func() error {
		b.account.has(nil)
		got, err := p.sync(ctx, b.line)
		if err != nil {
			return err
		}
		if !got.OK || got.Seen != wholeList || got.Missing > 0 || got.Error != "" {
			return fmt.Errorf("last_sync %+v", got)
		}
		is, err := b.now(last)
		if err == nil && !is.Sendable {
			err = fmt.Errorf("the last one: %v", is)
		}
		return err
	})
	p.check("a template that is gone from part of a list is not missing; gone from a whole one it is, and is not sent; back again it is", func() error {
		kept, _ := b.account.of(first.ProviderID)
		b.account.drop(first.ProviderID)
		fails(2, fail)
		if got, err := p.sync(ctx, b.line); err != nil || got.OK {
			return fmt.Errorf("last_sync %+v: %w", got, err)
		}
		if is, err := b.now(first); err != nil || !is.Sendable {
			return fmt.Errorf("after a part of the list: %v: %w", is, err)
		}
		b.account.has(nil)
		got, err := p.sync(ctx, b.line)
		if err != nil || !got.OK || got.Missing != 1 || got.Seen != wholeList-1 {
			return fmt.Errorf("last_sync %+v: %w", got, err)
		}
		is, err := b.now(first)
		if err != nil || is.State != "missing" || is.Sendable || is.Status != "approved" || !is.Active {
			return fmt.Errorf("gone: %v: %w", is, err)
		}
		if err := b.sends(is, false); err != nil {
			return err
		}
		b.account.put(kept)
		if _, err := p.sync(ctx, b.line); err != nil {
			return err
		}
		if is, err = b.now(first); err != nil || !is.Sendable {
			return fmt.Errorf("back: %v: %w", is, err)
		}
		return b.sends(is, true)
	})
	p.needs(moves).check("a list that could not be read is asked again after a minute; one that could, after six hours", func() error {
		fails(0, fail)
		if got, err := p.sync(ctx, b.line); err != nil || got.OK {
			return fmt.Errorf("last_sync %+v: %w", got, err)
		}
		b.account.has(nil)
		b.account.becomes(last.ProviderID, "paused", "")
		for _, c := range []struct {
			step  time.Duration
			word  string
			later string
		}{{70 * time.Second, "paused", "approved"}, {6*time.Hour + 10*time.Second, "approved", ""}} {
			err := p.untilMoving(ctx, "the list is read again", c.step, 2, func() (bool, error) {
				is, err := b.now(last)
				return is.State == c.word, err
			})
			if err != nil {
				return err
			}
			if c.later != "" {
				b.account.becomes(last.ProviderID, c.later, "")
			}
		}
		v, err := p.channelOf(ctx, b.line)
		if err == nil && (v.LastSync == nil || !v.LastSync.OK) {
			err = errors.New("last_sync is not ok")
		}
		return err
	})
}
