package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// verdictWords are what a reviewer may say, the last of them a word that nobody knows.
var verdictWords = []string{"approved", "rejected", "paused", "disabled", "holographic"}

// statusAfter is the status of an approved template when the list says a word: one
// that nobody knows changes nothing.
func statusAfter(word string) string {
	if word == "rejected" {
		return "rejected"
	}
	return "approved"
}

// bench is a channel with templates that are being judged.
type bench struct {
	p       *play
	ctx     context.Context
	line    line
	account *account
	marker  seenTemplate // nothing is said of it but its quality
	marks   int
	named   int
}

// newBench opens a channel and requests a template that serves as a mark.
func (p *play) newBench(ctx context.Context, provider string) (*bench, error) {
	l, err := p.newLine(ctx, p.demo.AdminToken, provider)
	if err != nil {
		return nil, err
	}
	b := &bench{p: p, ctx: ctx, line: l, account: p.account(l)}
	if err := p.listRead(ctx, l); err != nil {
		return nil, err
	}
	b.marker, err = p.request(ctx, l, notice("marca"))
	return b, err
}

// reached waits until everything that was posted about the channel's templates is
// done: these events keep their order, and the quality that a callback tells counts
// at once.
func (b *bench) reached() error {
	b.marks++
	word := fmt.Sprintf("Q%d", b.marks)
	event := object{"id": b.marker.ProviderID, "type": "quality-update", "elementName": b.marker.Name, "languageCode": "es", "quality": word}
	at := time.Now().Add(time.Duration(b.marks) * time.Millisecond)
	if err := b.p.deliver(b.ctx, b.line, templateBody(b.line, event, at)); err != nil {
		return err
	}
	_, err := b.p.becomes(b.ctx, b.line, b.marker.ID, "all callbacks are done", func(v seenTemplate) bool { return v.Quality == strings.ToLower(word) })
	return err
}

// approved requests templates and has the list approve them, without a callback.
func (b *bench) approved(n int) ([]seenTemplate, error) {
	all := make([]seenTemplate, n)
	for i := range all {
		b.named++
		v, err := b.p.request(b.ctx, b.line, notice(fmt.Sprintf("juzgada_%d", b.named)))
		if err != nil {
			return nil, err
		}
		b.account.becomes(v.ProviderID, "approved", "")
		all[i] = v
	}
	if _, err := b.p.sync(b.ctx, b.line); err != nil {
		return nil, err
	}
	for i, v := range all {
		got, err := b.p.becomes(b.ctx, b.line, v.ID, "approved by the list", func(v seenTemplate) bool { return v.Sendable })
		if err != nil {
			return nil, err
		}
		all[i] = got
	}
	return all, nil
}

// one is approved for one.
func (b *bench) one() (seenTemplate, error) {
	all, err := b.approved(1)
	if err != nil {
		return seenTemplate{}, err
	}
	return all[0], nil
}

// says posts a callback: to the webhook or the callback's own address, in the
// documented shape with a type or without.
func (b *bench) says(v seenTemplate, word string, at time.Time, way int) error {
	to := b.line
	if way&1 == 1 {
		to.WebhookURL = b.line.CallbackURL
	}
	payload := object{"id": v.ProviderID, "status": word, "elementName": v.Name, "languageCode": "es"}
	if way&2 == 2 {
		payload["type"] = "status-update"
	}
	switch word {
	case "rejected":
		payload["rejectedReason"] = "INVALID_FORMAT"
	case "paused":
		payload["description"] = "Paused for 3 hours because it had issues."
	}
	return b.p.deliver(b.ctx, to, templateBody(b.line, payload, at))
}

// ways are the combinations of address and shape.
const ways = 4

// now is a template as it is now.
func (b *bench) now(v seenTemplate) (seenTemplate, error) { return b.p.templateOf(b.ctx, b.line, v.ID) }

// expect tells whether a template is as wanted, once everything posted is done.
func (b *bench) expect(v seenTemplate, fits func(seenTemplate) bool) error {
	if err := b.reached(); err != nil {
		return err
	}
	is, err := b.now(v)
	if err == nil && !fits(is) {
		err = fmt.Errorf("is %v", is)
	}
	return err
}

// approvals plays what reviewers say of templates, and what others say in their name.
func approvals(ctx context.Context, p *play) {
	var b *bench
	if !p.check("a channel with templates", func() (err error) {
		b, err = p.newBench(ctx, "gupshup")
		return err
	}) {
		return
	}
	words := verdictWords
	if p.size.rounds == 1 {
		words = []string{"approved", "rejected", "paused", "holographic"}
	}
	all := orders(words)
	chance := rand.New(rand.NewPCG(p.seed, 13))
	var played [][]string
	for _, o := range all {
		// All of the longest; of the shorter ones, which they contain, some.
		if len(o) == len(words) || chance.IntN(8) == 0 {
			played = append(played, o)
		}
	}
	p.check(fmt.Sprintf("%d orders of %s, every one twice, in both shapes and on both addresses: the end is what the provider's list says (R12)", len(played), strings.Join(words, ", ")), func() error {
		return b.inAllOrders(played, words, chance)
	})
	p.check("a callback that tells the truth counts at once, whatever it says; only an approved template is sent (Q22, Q23)", func() error {
		v, err := b.one()
		if err != nil {
			return err
		}
		for i, word := range []string{"paused", "approved", "disabled", "approved", "in_appeal", "deleted", "approved", "holographic", "approved", "rejected"} {
			b.account.becomes(v.ProviderID, word, "")
			if err := b.says(v, word, time.Now(), i%ways); err != nil {
				return err
			}
			is, err := p.becomes(ctx, b.line, v.ID, word, func(v seenTemplate) bool { return v.State == word && v.Sendable == (word == "approved") })
			if err != nil {
				return err
			}
			if err := b.sends(is, word == "approved"); err != nil {
				return fmt.Errorf("%s: %w", word, err)
			}
		}
		return nil
	})
	p.check("a forged approval leaves a template pending, on both addresses, in both shapes (R12)", func() error {
		v, err := p.request(ctx, b.line, notice("pendiente"))
		if err != nil {
			return err
		}
		for way := range ways {
			if err := b.says(v, "approved", time.Now(), way); err != nil {
				return err
			}
		}
		if err := b.expect(v, func(v seenTemplate) bool { return v.Status == "pending" && v.State == "pending" && !v.Sendable }); err != nil {
			return err
		}
		return b.sends(v, false)
	})
	p.needs(moves).check("a forged \"disabled\" stops sending at once, also while the list cannot be read; the list frees it", func() error {
		v, err := b.one()
		if err != nil {
			return err
		}
		b.account.has(func(c call) outcome {
			if c.kind == "list" {
				return fail
			}
			return accept
		})
		defer b.account.has(nil)
		if err := b.says(v, "disabled", time.Now(), 0); err != nil {
			return err
		}
		is, err := p.becomes(ctx, b.line, v.ID, "stopped", func(v seenTemplate) bool { return v.State == "disabled" && !v.Sendable && v.Status == "approved" })
		if err != nil {
			return err
		}
		if err := b.sends(is, false); err != nil {
			return err
		}
		b.account.has(nil)
		return p.untilMoving(ctx, "the list frees it", 2*time.Minute, 5, func() (bool, error) {
			is, err := b.now(v)
			return is.Sendable && is.State == "approved", err
		})
	})
	p.check("a rejection, however late, switches it off, and only a person switches it on again (S3-21)", func() error {
		v, err := b.one()
		if err != nil {
			return err
		}
		for _, word := range []string{"rejected", "approved"} {
			b.account.becomes(v.ProviderID, word, "")
			if _, err := p.sync(ctx, b.line); err != nil {
				return err
			}
			if _, err := p.becomes(ctx, b.line, v.ID, word, func(v seenTemplate) bool {
				return v.Status == word && v.State == word && !v.Active && !v.Sendable
			}); err != nil {
				return err
			}
		}
		if err := b.sends(v, false); err != nil {
			return err
		}
		var on seenTemplate
		if err := p.api(ctx, http.MethodPut, "/v1/templates/"+v.ID+"/active", object{"active": true}, &on); err != nil {
			return err
		}
		if !on.Sendable {
			return fmt.Errorf("switched on: %v", on)
		}
		return b.sends(on, true)
	})
	p.check("its category is announced and then changed, its quality follows callbacks and list (1.6)", func() error {
		v, err := b.one()
		if err != nil {
			return err
		}
		event := func(typ, key string, value any) error {
			payload := object{"id": v.ProviderID, "type": typ, "elementName": v.Name, "languageCode": "es", key: value}
			return p.deliver(ctx, b.line, templateBody(b.line, payload, time.Now()))
		}
		if err := event("category-update", "category", object{"current": "UTILITY", "correct": "MARKETING"}); err != nil {
			return err
		}
		if err := event("quality-update", "quality", "YELLOW"); err != nil {
			return err
		}
		if err := b.expect(v, func(v seenTemplate) bool {
			return v.Next == "marketing" && v.Category == "utility" && v.Quality == "yellow" && v.Sendable
		}); err != nil {
			return err
		}
		t, _ := b.account.of(v.ProviderID)
		t.Category, t.Quality = "MARKETING", "RED"
		b.account.put(t)
		if err := event("category-update", "category", object{"old": "UTILITY", "new": "MARKETING"}); err != nil {
			return err
		}
		_, err = p.becomes(ctx, b.line, v.ID, "of another category", func(v seenTemplate) bool {
			return v.Category == "marketing" && v.Next == "" && v.Quality == "red" && v.Sendable
		})
		return err
	})
	p.check("a callback about a template that nobody knows is 200, and held with a reason", func() error {
		before, err := listed[held](ctx, p, "/v1/quarantine")
		if err != nil {
			return err
		}
		if err := b.says(seenTemplate{ProviderID: "b0000000-0000-4000-8000-00000000ffff", Name: "de_nadie"}, "disabled", time.Now(), 0); err != nil {
			return err
		}
		return p.until(ctx, "held", func() (bool, error) {
			after, err := listed[held](ctx, p, "/v1/quarantine")
			return len(after) == len(before)+1 && after[0].Reason == "template_unknown", err
		})
	})
}

// callback is one that is to be posted about a template, by its place.
type callback struct {
	template int
	post     func() error
}

// inTurns mixes callbacks about several templates, so that those about each keep their
// order.
func inTurns(posts []callback, chance *rand.Rand) []int {
	next := map[int][]int{} // by template
	for i, c := range posts {
		next[c.template] = append(next[c.template], i)
	}
	mixed := make([]int, len(posts))
	for k, i := range chance.Perm(len(posts)) {
		of := posts[i].template
		mixed[k], next[of] = next[of][0], next[of][1:]
	}
	return mixed
}

// inAllOrders has every order of words said of a template of its own, whose list says
// another of the words.
func (b *bench) inAllOrders(played [][]string, words []string, chance *rand.Rand) error {
	all, err := b.approved(len(played))
	if err != nil {
		return err
	}
	var posts []callback
	truth := make([]string, len(all))
	for i, v := range all {
		truth[i] = words[i%len(words)]
		b.account.becomes(v.ProviderID, truth[i], "")
		for k, word := range append(append([]string{}, played[i]...), played[i]...) {
			at := time.Now().Add(time.Duration(k) * time.Millisecond)
			posts = append(posts, callback{i, func() error { return b.says(v, word, at, (i+k)%ways) }})
		}
	}
	for _, i := range inTurns(posts, chance) {
		if err := posts[i].post(); err != nil {
			return err
		}
	}
	if err := b.reached(); err != nil {
		return err
	}
	for i, v := range all {
		is, err := b.now(v)
		if err != nil {
			return err
		}
		word := truth[i]
		if is.State != word || is.Status != statusAfter(word) || is.Active != (word != "rejected") || is.Sendable != (word == "approved") {
			return fmt.Errorf("after %s, twice, the list says %s: %v", strings.Join(played[i], ", "), word, is)
		}
	}
	return nil
}

// sends tries to send a template to somebody new, and expects that it goes, or is
// refused with 409 and leaves nothing.
func (b *bench) sends(v seenTemplate, goes bool) error {
	p, ctx := b.p, b.ctx
	p.lastNumber++
	number := fmt.Sprintf("52155500%05d", p.lastNumber)
	in := object{"number": number, "params": object{"nombre": "Ana", "pedido": "A-100"}}
	r, err := p.ask(ctx, p.demo.AdminToken, http.MethodPost, "/v1/templates/"+v.ID+"/messages", in)
	if err != nil {
		return err
	}
	if !goes {
		if r.status != http.StatusConflict {
			return fmt.Errorf("send: %d %s, want 409", r.status, r.text)
		}
		return nil
	}
	if r.status != http.StatusCreated {
		return fmt.Errorf("send: %d %s, want 201", r.status, r.text)
	}
	return p.until(ctx, "the template is sent", func() (bool, error) {
		return len(p.to(b.line.App, number)) == 1, nil
	})
}
