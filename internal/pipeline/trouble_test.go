package pipeline_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"buzon/internal/desk"
	"buzon/internal/pipeline"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// trouble is what befalls the channels and the people of a hostile world between its
// rounds: somebody wants nothing more, a channel is switched off and on, a provider is
// dead for a while.
type trouble struct {
	w      *world
	rng    *rand.Rand
	people []*person
	on     bool
	isOff  string // the company whose channel is off
	broken []string
}

// troubled is for how long a trouble lasts at least: what is to come of it has come.
const troubled = 10 * time.Minute

// maxDeadCalls bounds the calls to a provider that is dead for so long: those that let
// the channel wait, those of processes that died or stalled, and those that try it.
const maxDeadCalls = 20

func newTrouble(w *world, rng *rand.Rand, people []*person, on bool) *trouble {
	t := &trouble{w: w, rng: rng, people: people, on: on}
	if on {
		people[rng.IntN(len(people))].old = true
	}
	return t
}

func (t *trouble) company() string { return companies[t.rng.IntN(len(companies))] }

// round is what happens after one; what began after the one before it may end.
func (t *trouble) round(n int) {
	if !t.on {
		return
	}
	if t.isOff != "" {
		t.switchOn()
		return
	}
	switch {
	case n == 1 || n == 4:
		t.dead(t.company(), []mood{refusing, mute}[t.rng.IntN(2)], false)
	case n == 2:
		t.dead(t.company(), []mood{denied, broke, suspended}[t.rng.IntN(3)], true)
	case n == 5:
		t.lies(t.company())
	case t.rng.IntN(2) == 0:
		t.switchOff()
	}
	t.optOut(t.people[t.rng.IntN(len(t.people))])
}

// end leaves the world with every channel on.
func (t *trouble) end() {
	if t.isOff != "" {
		t.switchOn()
	}
}

// optOut, or in again: the person's word is stored at once.
func (t *trouble) optOut(p *person) {
	c := t.w.plainStore().In(p.tenant)
	conv, err := c.Conversation(context.Background(), store.ConversationID(channelID(p.tenant), p.number))
	if err != nil {
		return // nothing of theirs was handled yet
	}
	t.w.seq++
	last := len(p.optedOut) - 1
	if conv.OptedOut = last < 0 || p.optedOut[last].to > 0; conv.OptedOut {
		p.optedOut = append(p.optedOut, span{from: t.w.seq})
	} else {
		p.optedOut[last].to = t.w.seq
	}
	must(t.w.t, c.SaveConversation(context.Background(), conv))
}

// pass lets time pass in a trouble. No process dies in it: in so long a time one
// record would be blamed by chance.
func (t *trouble) pass(d time.Duration) {
	rate := t.w.driver.KillRate
	t.w.driver.KillRate = 0
	t.w.settle(d)
	t.w.driver.KillRate = rate
}

// dead lets a company's provider refuse everything for a while.
func (t *trouble) dead(tenant string, how mood, shown bool) {
	w := t.w
	w.phone.moods = map[string]mood{tenant: how}
	calls := w.phone.callsTo[tenant]
	t.pass(troubled)
	calls = w.phone.callsTo[tenant] - calls
	w.phone.moods = nil
	if calls > maxDeadCalls {
		t.broken = append(t.broken, fmt.Sprintf("R15 %s: %d calls to a provider in mood %d", tenant, calls, how))
	}
	ch, err := w.plainStore().In(tenant).FreshChannel(context.Background(), channelID(tenant))
	must(w.t, err)
	if shown && calls > 0 && ch.State != desk.ChannelInterrupted {
		t.broken = append(t.broken, fmt.Sprintf("S3-09 %s: the channel is %s after %d refusals", tenant, ch.State, calls))
	}
}

// watch lets time pass as pass does; what the provider tells is heard at once.
func (t *trouble) watch(d time.Duration) {
	w := t.w
	rate := w.driver.KillRate
	w.driver.KillRate = 0
	ticked := w.clock.Now()
	for end := ticked.Add(d); w.clock.Now().Before(end); {
		if !w.driver.Step() {
			w.clock.Advance(10 * time.Second)
		}
		for _, p := range w.phone.takePosts() {
			w.deliver(p.tenant, p.body)
		}
		if now := w.clock.Now(); now.Sub(ticked) >= 30*time.Second {
			ticked = now
			w.tick()
			w.drainDead()
		}
	}
	w.driver.KillRate = rate
}

// mostProbes bounds what a provider that lies is given to send in ten minutes, beside
// what it had before it first told: a probe after 1, 2 and 4 minutes, and what
// processes that stalled have sent twice.
const mostProbes = 6

// lies lets a company's provider take everything and send nothing, as it tells later.
// Meanwhile everybody writes.
func (t *trouble) lies(tenant string) {
	w := t.w
	bad := func(format string, args ...any) {
		t.broken = append(t.broken, fmt.Sprintf("R15 %s: ", tenant)+fmt.Sprintf(format, args...))
	}
	c := w.plainStore().In(tenant)
	sent := func() (n int) {
		for _, s := range w.phone.sends {
			if s.tenant == tenant {
				n++
			}
		}
		return n
	}
	needsProof := func() bool {
		wait, err := c.ChannelWait(context.Background(), channelID(tenant))
		must(w.t, err)
		return wait.NeedsProof()
	}
	say := func(id string) {
		for _, p := range t.people {
			if p.tenant != tenant || p.old {
				continue
			}
			b := w.message(id, p.number, "hola")
			raw := body(b)
			b.Messages[0].ReceivedAt = w.clock.Now()
			p.said = append(p.said, b.Messages[0])
			w.deliver(tenant, raw)
		}
	}
	begin := sent()
	w.phone.moods = map[string]mood{tenant: lying}
	say("wamid.lie")
	for tries := 0; !needsProof(); tries++ { // it may still wait for what was before
		if tries == 20 {
			if sent() > begin {
				bad("%d failures begin no wait that needs proof", sent()-begin)
			}
			w.phone.moods = nil
			return // nobody could be sent anything
		}
		t.watch(time.Minute)
	}
	for i := range 3 {
		say(fmt.Sprint("wamid.lie.", i))
	}
	before := sent()
	for range troubled / time.Minute {
		t.watch(time.Minute)
		ch, err := c.FreshChannel(context.Background(), channelID(tenant))
		must(w.t, err)
		if ch.State != desk.ChannelInterrupted || !desk.Interrupts(ch.Cause) {
			bad("the channel is %s %q although nothing goes", ch.State, ch.Cause)
			break
		}
	}
	if n := sent() - before; n > mostProbes {
		bad("%d were sent while all failed", n)
	}
	first := slices.IndexFunc(w.phone.sends, func(s sentMessage) bool { return s.tenant == tenant && w.clock.Now().Sub(s.at) < troubled })
	w.phone.moods = nil
	t.watch(2 * pipeline.ProofPatience)
	if first < 0 || needsProof() {
		return // the channel may have nothing to try
	}
	// What failed then is told once more, when the channel is well.
	w.deliver(tenant, body(w.phone.fails(w.phone.sends[first], desk.WaitWallet)))
	t.watch(time.Minute)
	if needsProof() {
		bad("a late receipt interrupts the channel")
	}
}

// stall lets what a company's channel holds unsent wait for an hour.
func (t *trouble) stall(c store.Company) {
	t.w.phone.moods = map[string]mood{c.Tenant: broke}
	t.pass(2 * time.Minute)
	t.w.phone.moods = nil
	wait, err := c.ChannelWait(context.Background(), channelID(c.Tenant))
	must(t.w.t, err)
	if wait.Cause != "" {
		wait.NotBefore, wait.Step = t.w.clock.Now().Add(pipeline.MaxWait), pipeline.MaxWait
		must(t.w.t, c.SaveChannelWait(context.Background(), channelID(c.Tenant), wait))
	}
}

// switchOff switches a company's channel off as the API does in another process.
func (t *trouble) switchOff() {
	w := t.w
	t.isOff = t.company()
	w.wasOff[t.isOff] = true
	c := w.plainStore().In(t.isOff)
	if t.rng.IntN(2) == 0 {
		t.stall(c)
	}
	ch, err := c.FreshChannel(context.Background(), channelID(t.isOff))
	must(w.t, err)
	ch.State, ch.Cause, ch.EndedAt = desk.ChannelInactive, "", w.clock.Now()
	timer := c.ChannelTimer(store.WakeEnding, ch.ID, ch.Version, w.clock.Now().Add(2*time.Minute))
	must(w.t, c.SaveChannel(context.Background(), ch, timer.Also()))
	raw, err := queue.Seal(desk.StageInbound, t.isOff, desk.InboundEvent{Ended: ch.ID})
	must(w.t, err)
	m := queue.Message{Group: store.Hash(t.isOff, ch.ID, "ended"), Dedup: store.Hash("ended", fmt.Sprint(ch.Version)), Body: raw}
	for range 50 {
		if w.driver.Queue(desk.StageInbound).Send(context.Background(), m) == nil {
			return
		}
	}
	w.t.Fatal("the event was never queued")
}

// switchOn does the opposite, once nothing is left unsent on a channel that is off.
func (t *trouble) switchOn() {
	w, tenant := t.w, t.isOff
	t.isOff = ""
	t.pass(troubled)
	for _, p := range t.people {
		conv, err := w.plainStore().In(tenant).Conversation(context.Background(), store.ConversationID(channelID(tenant), p.number))
		if p.tenant == tenant && err == nil && len(conv.Unsent) > 0 {
			t.broken = append(t.broken, fmt.Sprintf("S3-12 %s %s: unsent on a channel that is off: %v", tenant, p.number, conv.Unsent))
		}
	}
	c := w.plainStore().In(tenant)
	ch, err := c.FreshChannel(context.Background(), channelID(tenant))
	must(w.t, err)
	ch.State = desk.ChannelActive
	must(w.t, c.SaveChannel(context.Background(), ch, nil))
	w.seq++
	if known := w.offSince[tenant]; len(known) > 0 && known[len(known)-1].to == 0 {
		known[len(known)-1].to = w.seq
	}
}

// unanswered tells whether a message was recorded while its channel was seen off.
func (w *world) unanswered(p *person, m desk.Incoming) bool {
	return w.wasOff[p.tenant] && slices.ContainsFunc(w.turns(p.tenant, store.ConversationID(channelID(p.tenant), p.number)), func(t store.StoredTurn) bool {
		return t.Message != nil && t.Message.ProviderID == m.ProviderID && t.Note == "channel_inactive"
	})
}

// mayBeRefused tells whether there was a reason not to send the reply.
func (w *world) mayBeRefused(p *person, r desk.Reply) bool {
	if r.Status != desk.Failed {
		return false
	}
	switch r.Reason {
	case desk.ReasonDeactivated:
		return w.wasOff[p.tenant]
	case desk.ReasonOptedOut:
		return len(p.optedOut) > 0
	case desk.ReasonWindow:
		return p.old
	}
	return false
}

// checkAllowed: nothing but templates leaves outside the window, nothing after the
// person's word was stored or outbound knew that the channel is off. What had begun
// then may still leave.
func (w *world) checkAllowed(p *person) (broken []string) {
	for _, s := range w.phone.sentTo(p.tenant, p.number) {
		bad := func(what string) {
			broken = append(broken, fmt.Sprintf("%s %s: %q was sent at %v %s", p.tenant, p.number, s.out.Text, s.at, what))
		}
		in := func(spans []span) bool {
			return slices.ContainsFunc(spans, func(o span) bool { return o.holds(s.began, s.ended) })
		}
		if in(p.optedOut) {
			bad("after an opt-out")
		}
		if in(w.offSince[p.tenant]) {
			bad("on a channel that was known to be off")
		}
		var heard time.Time
		for _, m := range p.said {
			if !m.ReceivedAt.After(s.at) && m.SentAt.After(heard) {
				heard = m.SentAt
			}
		}
		if s.out.Type != desk.ReplyTemplate && s.at.After(heard.Add(desk.Window+pipeline.LeaseTime)) {
			bad(fmt.Sprintf("outside the window of %v", heard))
		}
	}
	return broken
}

// checkChannels: S3-09, a channel on which something was sent since it was calm is
// neither interrupted nor waits.
func (w *world) checkChannels(calm time.Time) (broken []string) {
	for _, tenant := range companies {
		c := w.plainStore().In(tenant)
		ch, err := c.FreshChannel(context.Background(), channelID(tenant))
		must(w.t, err)
		wait, err := c.ChannelWait(context.Background(), ch.ID)
		must(w.t, err)
		sent := slices.ContainsFunc(w.phone.sends, func(s sentMessage) bool { return s.tenant == tenant && s.at.After(calm) })
		if sent && (ch.State != desk.ChannelActive || ch.Cause != "" || wait.Cause != "") {
			broken = append(broken, fmt.Sprintf("S3-09 %s: the channel is %s %q and waits %+v", tenant, ch.State, ch.Cause, wait.Wait))
		}
	}
	return broken
}
