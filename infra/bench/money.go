package main

import (
	"fmt"
)

// List prices in USD for a million (us-east-1, 2026; the page of goals says where
// they are from), for Lambda's time for a GB-second on arm64.
const (
	priceInvocation = 0.20
	priceGBSecond   = 0.0000133
	priceHTTPAPI    = 1.00
	priceQueue      = 0.50
	priceWrite      = 0.625
	priceRead       = 0.125
	priceBlob       = 5.00
)

// What Lambda bills a message for: each invocation's own time, and what outbound
// waits for the provider's answer; memory in GB as in template.yaml.
const (
	invocationSeconds = 0.02
	providerSeconds   = 0.4
	memoryGB          = 0.125
	inboundGB         = 0.25
)

// price is what a million of something costs, in USD.
type price struct {
	Front  float64 `json:"front"`
	Lambda float64 `json:"lambda"`
	Queue  float64 `json:"sqs"`
	Table  float64 `json:"table"`
	Blobs  float64 `json:"s3"`
}

func (p price) total() float64 { return p.Front + p.Lambda + p.Queue + p.Table + p.Blobs }

// priced is what a million times c costs, taken by so many HTTP calls (each an
// invocation of its own), batches of inbound and of outbound.
func priced(c counts, calls, inbound, outbound int) price {
	seconds := invocationSeconds*memoryGB*float64(calls) + invocationSeconds*inboundGB*float64(inbound) +
		(invocationSeconds+providerSeconds)*memoryGB*float64(outbound)
	return price{
		Front:  priceHTTPAPI * float64(calls),
		Lambda: priceInvocation*float64(calls+inbound+outbound) + priceGBSecond*1e6*seconds,
		Queue:  priceQueue * float64(c.Queue),
		Table:  priceWrite*c.Write + priceRead*c.Read,
		Blobs:  priceBlob * float64(c.Blobs),
	}
}

// bills is a line of the table of money.
type billed struct {
	Name  string `json:"name"`
	Price price  `json:"usd"`
	page  string // what the page of goals reckons with
}

// money is what a million usual messages cost, each with one reply and its four
// statuses, in batches of one; and a whole conversation.
func (b bill) money() []billed {
	u := b.usual()
	one := u.all()
	const calls, statuses = 5, 4
	with := priced(one, calls, 1, 1)
	direct := with
	direct.Front = 0
	perStatus := counts{Write: u.Statuses.each(u.Statuses.Write)}
	fewer := priced(one.minus(perStatus.plus(perStatus)), calls-2, 1, 1)
	fewer.Front = 0
	cold := priced(one.plus(counts{Read: b.Cold.Read - b.Warm.Read}), calls, 1, 1)
	cold.Front = 0
	return []billed{
		{"through the HTTP API", with, ""},
		{"through the function URL", direct, "11.95"},
		{"… only delivered, read, failed subscribed", fewer, "9.24"},
		{"… every message in an environment that has kept nothing", cold, ""},
		{fmt.Sprintf("a million whole conversations: %d messages, %d replies, a case", len(b.messages()), b.whole().Sent.Events), b.conversation(), ""},
	}
}

// conversation is what a million whole conversations cost, by the HTTP API.
func (b bill) conversation() price {
	w := b.whole()
	messages := len(b.messages())
	return priced(w.all(), messages+w.Statuses.Events+w.Page.Events, messages, messages)
}
