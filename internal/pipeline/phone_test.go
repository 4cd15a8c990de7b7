package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"buzon/internal/channel"
	"buzon/internal/crashtest"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/pipeline"
	"buzon/internal/queue/queuetest"
	"buzon/internal/store"
)

// The moods of the provider.
type mood int

const (
	well      mood = iota
	limited        // 429 to everything
	flaky          // some lost, some refused for the moment, some lost in the answer
	refusing       // 503 to everything
	mute           // takes connections and answers nothing
	denied         // the credential is refused
	broke          // the wallet is empty
	suspended      // the account is locked
	lying          // takes everything and sends nothing: the wallet is empty, as receipts tell
)

// refusals are what a provider of a mood answers to everything.
var refusals = map[mood]channel.Error{
	limited:   {Verdict: channel.Later, Code: "429", Cause: desk.WaitRateLimited},
	refusing:  {Verdict: channel.Later, Code: "503", Cause: desk.WaitUnavailable},
	mute:      {Verdict: channel.Unknown, Code: "timeout"},
	denied:    {Verdict: channel.ChannelDown, Code: "401", Cause: desk.WaitCredential},
	broke:     {Verdict: channel.ChannelDown, Code: "1003", Cause: desk.WaitWallet},
	suspended: {Verdict: channel.ChannelDown, Code: "131031", Cause: desk.WaitSuspended},
}

// sentMessage is one call that reached the provider.
type sentMessage struct {
	tenant, to, ref, id string
	out                 desk.Outgoing
	at                  time.Time
	lost                bool // the answer was lost
	began, ended        int  // when the wake-up was taken up that it was sent with, and when it was sent
}

type pending struct {
	tenant string
	body   []byte
}

// phone is the provider and everybody's phone.
type phone struct {
	now   func() time.Time
	seq   func() int
	yield bool
	plan  *crashtest.Plan
	mood  mood
	moods map[string]mood // by tenant, before mood
	pair  string          // the one who may get no more messages for the moment
	// loseAnswers: no answer ever comes; the message arrives all the same if arrive.
	loseAnswers, arrive bool
	silent              bool              // no receipt is posted
	knows               map[string]string // the network's own ids of people, by ours; told in answers
	told                int               // of a hundred messages that left so many have a receipt of it

	mu      sync.Mutex
	rng     *rand.Rand
	sends   []sentMessage
	posts   []pending // webhooks that it will deliver
	calls   int
	callsTo map[string]int // by tenant
}

func (p *phone) Parse(_ desk.Channel, body []byte) channel.Batch {
	var b channel.Batch
	if err := json.Unmarshal(body, &b); err != nil {
		return channel.Batch{Rejected: channel.RejectNotJSON}
	}
	return b
}

func (p *phone) Send(ctx context.Context, a channel.Account, to string, out desk.Outgoing, ref string) (channel.Sent, error) {
	from := p.now()
	if p.yield {
		queuetest.Yield(ctx)
	}
	if p.now().Sub(from) > pipeline.SendTimeout { // on its way the connection was given up
		return channel.Sent{}, &channel.Error{Verdict: channel.Unknown, Code: "timeout"}
	}
	began, _ := ctx.Value(beganKey{}).(int)
	if p.plan == nil {
		return p.send(began, a, to, out, ref)
	}
	var sent channel.Sent
	err := p.plan.Effect("provider", func() (err error) {
		sent, err = p.send(began, a, to, out, ref)
		return err
	})
	var classified *channel.Error
	if err != nil && !errors.As(err, &classified) {
		verdict := channel.Unknown
		if strings.Contains(err.Error(), fault.Busy.Error()) {
			verdict = channel.Later
		}
		return channel.Sent{}, &channel.Error{Verdict: verdict, Code: "test", Cause: desk.WaitUnavailable}
	}
	return sent, err
}

func (p *phone) send(began int, a channel.Account, to string, out desk.Outgoing, ref string) (channel.Sent, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	tenant, _ := store.TenantOf(a.Channel.ID)
	m := p.mood
	if own, ok := p.moods[tenant]; ok {
		m = own
	}
	p.calls++
	if p.callsTo == nil {
		p.callsTo = map[string]int{}
	}
	p.callsTo[tenant]++
	if e, ok := refusals[m]; ok {
		return channel.Sent{}, &e
	}
	if p.pair != "" && to == p.pair {
		return channel.Sent{}, &channel.Error{Verdict: channel.Later, Code: "131056", Cause: desk.WaitPair, Pair: true}
	}
	fate := p.rng.IntN(100)
	if p.loseAnswers && !p.arrive {
		return channel.Sent{}, &channel.Error{Verdict: channel.Unknown, Code: "timeout"}
	}
	if m == flaky && fate < 5 {
		return channel.Sent{}, &channel.Error{Verdict: channel.Later, Code: "503", Cause: desk.WaitUnavailable}
	}
	if m == flaky && fate < 8 {
		return channel.Sent{}, &channel.Error{Verdict: channel.Unknown, Code: "timeout"} // it never arrived
	}
	id := fmt.Sprintf("gs-%s-%d", tenant, len(p.sends))
	s := sentMessage{tenant: tenant, to: to, ref: ref, id: id, out: out, at: p.now(), began: began, ended: p.seq(), lost: m == flaky && fate < 12 || p.loseAnswers}
	p.sends = append(p.sends, s)
	if p.silent {
		return p.answer(s)
	}
	p.posts = append(p.posts, pending{tenant, body(channel.Batch{Receipts: []desk.Receipt{{
		SendID: id, MessageID: "wamid." + id, Status: desk.Accepted, Enqueued: true, Destination: to, At: p.now().Add(-8 * 24 * time.Hour),
	}}})})
	if m == lying {
		p.posts = append(p.posts, pending{tenant, body(p.fails(s, desk.WaitWallet))})
	} else if p.told > 0 && p.rng.IntN(100) < p.told {
		p.posts = append(p.posts, pending{tenant, body(p.becomes(s, desk.SentOut))})
	}
	return p.answer(s)
}

// becomes is the receipt of a message.
func (p *phone) becomes(s sentMessage, d desk.Delivery) channel.Batch {
	return channel.Batch{Receipts: []desk.Receipt{{SendID: s.id, MessageID: "wamid." + s.id, Status: d, Destination: s.to, At: p.now()}}}
}

// fails is the receipt of a message that was accepted and cannot be sent; cause is
// empty where that concerns this message alone.
func (p *phone) fails(s sentMessage, cause string) channel.Batch {
	b := p.becomes(s, desk.Failed)
	b.Receipts[0].Code, b.Receipts[0].Cause = "1002", cause
	if cause != "" {
		b.Receipts[0].Code = "1003"
	}
	return b
}

func (p *phone) Upload(context.Context, channel.Account, string, channel.File) (desk.MediaLink, error) {
	return desk.MediaLink{}, &channel.Error{Verdict: channel.Refused, Code: "test"}
}

func (p *phone) Check(context.Context, channel.Account) error { return nil }

func (p *phone) answer(s sentMessage) (channel.Sent, error) {
	if s.lost {
		return channel.Sent{}, &channel.Error{Verdict: channel.Unknown, Code: "timeout"}
	}
	return channel.Sent{ProviderID: s.id, Person: p.knows[s.to]}, nil
}

func (p *phone) takePosts() []pending {
	p.mu.Lock()
	defer p.mu.Unlock()
	posts := p.posts
	p.posts = nil
	return posts
}

// sentTo lists what reached a person, in order.
func (p *phone) sentTo(tenant, person string) []sentMessage {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(func(yield func(sentMessage) bool) {
		for _, s := range p.sends {
			if s.tenant == tenant && s.to == person && !yield(s) {
				return
			}
		}
	})
}
