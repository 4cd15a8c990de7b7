package pages

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Limits keep one sender of requests from taking the place of all others.
type Limits struct {
	// PerMinute is how many pages a network (/24 of IPv4, /64 of IPv6) may ask for
	// in a minute, in a burst or spread out; 0: no limit (T41). The count is kept
	// in this process: on AWS every instance of the function has its own, so there
	// it slows a sender down and bounds no whole; the gateway's limits of its
	// routes do that, for all senders together.
	PerMinute int
}

// maxBuckets bounds the memory of the limiter. When so many networks came within
// a minute, all counts begin anew: limits never become an outage.
const maxBuckets = 10_000

// buckets counts requests by network. The zero value is ready.
type buckets struct {
	mu sync.Mutex
	of map[netip.Prefix]bucket
}

// bucket holds the tokens that were left at a time.
type bucket struct {
	tokens float64
	at     time.Time
}

// take spends a token of the network of a remote address; if there is none it
// tells how long until there is.
func (b *buckets) take(now time.Time, remote string, perMinute int) (time.Duration, bool) {
	if perMinute <= 0 {
		return 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of == nil {
		b.of = map[netip.Prefix]bucket{}
	}
	rate := float64(perMinute) / float64(time.Minute)
	who := network(remote)
	have, ok := b.of[who]
	if !ok {
		b.makeRoom(now)
		have = bucket{tokens: float64(perMinute), at: now}
	}
	passed := max(now.Sub(have.at), 0)
	have.tokens = min(float64(perMinute), have.tokens+float64(passed)*rate)
	have.at = now
	if have.tokens < 1 {
		b.of[who] = have
		return time.Duration((1 - have.tokens) / rate), false
	}
	have.tokens--
	b.of[who] = have
	return 0, true
}

// makeRoom forgets networks that were silent for a minute: their buckets are full.
func (b *buckets) makeRoom(now time.Time) {
	if len(b.of) < maxBuckets {
		return
	}
	for who, have := range b.of {
		if now.Sub(have.at) >= time.Minute {
			delete(b.of, who)
		}
	}
	if len(b.of) >= maxBuckets {
		clear(b.of)
	}
}

// network is the part of an address that one sender can have; what is no address
// is one network.
func network(remote string) netip.Prefix {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 24
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
