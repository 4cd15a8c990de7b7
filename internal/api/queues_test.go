package api

import (
	"fmt"
	"strings"
	"testing"

	"buzon/internal/desk"
	"buzon/internal/store"
)

// TestQueues: groups of people with the numbers that lead to them (S2-18).
func TestQueues(t *testing.T) {
	s := seed(t)
	pending := s.make("/v1/channels", requestBody)
	var members []string
	for i := range MaxQueueMembers + 1 {
		v := must(s.specialist("x", fmt.Sprint("member", i), desk.RoleAgent))
		members = append(members, `"`+v.ID+`"`)
	}
	many := strings.Join(members[:MaxQueueMembers], ",")
	play(t, s, []step{
		{say: "a name is enough", call: "POST /v1/queues", body: `{"name":"Reclamos"}`, want: `201 name="Reclamos"; channels=[]; members=[]; version=1`, as: "reclamos"},
		{say: "with a number and people", call: "POST /v1/queues", body: `{"name":"Ventas","channels":["{channel}"],"members":["{agent}"]}`,
			want: `201 channels=["{channel}"]; members=["{agent}"]`, as: "ventas"},
		{say: "it stands on the channel, which is changed by it", call: "GET /v1/channels/{channel}", want: `200 queues=["{ventas}"]; version=2`},
		{say: "they are listed", call: "GET /v1/queues", want: `200 items.0.id="{ventas}"; items.0.channels=["{channel}"]; items.1.id="{reclamos}"; items.2.id="{queue}"; items.3=null`},
		{say: "and one is read", call: "GET /v1/queues/{ventas}", want: `200 name="Ventas"; channels=["{channel}"]`},
		{say: "a name that another has", call: "POST /v1/queues", body: `{"name":"VENTAS"}`, want: "422 name taken"},
		{say: "no name", call: "POST /v1/queues", body: `{}`, want: "422 name required"},
		{say: "what there is not, and a number that is not on", call: "POST /v1/queues", body: `{"name":"x","channels":["none","` + pending + `"],"members":["none","{client}"]}`,
			want: "422 members[0] not_found, members[1] not_found, channels[0] not_found, channels[1] channel_off"},
		{say: "200 people", call: "PATCH /v1/queues/{reclamos}", body: `{"members":[` + many + `]}`, want: "200 version=2"},
		{say: "201", call: "PATCH /v1/queues/{reclamos}", body: `{"members":[` + many + `,` + members[MaxQueueMembers] + `]}`, want: "422 members too_many"},
		{say: "what is absent stays", call: "PATCH /v1/queues/{ventas}", body: `{"name":"Ventas 2"}`, headers: []string{`If-Match: "1"`}, want: `200 name="Ventas 2"; channels=["{channel}"]; members=["{agent}"]; version=2`},
		{say: "at an old version", call: "PATCH /v1/queues/{ventas}", body: `{"name":"x"}`, headers: []string{`If-Match: "1"`}, want: "412 stale: If-Match stale"},
		{say: "a second queue of the same number", call: "PATCH /v1/queues/{reclamos}", body: `{"channels":["{channel}"],"members":[]}`, want: `200 channels=["{channel}"]; members=[]`},
		{say: "both stand on the channel", call: "GET /v1/channels/{channel}", want: `200 queues=["{ventas}","{reclamos}"]; version=3`},
		{say: "a queue with a number stays", call: "DELETE /v1/queues/{ventas}", want: "409 in_use: "},
		{say: "the number is taken out", call: "PATCH /v1/queues/{ventas}", body: `{"channels":[]}`, want: `200 channels=[]`},
		{say: "of this queue alone", call: "GET /v1/channels/{channel}", want: `200 queues=["{reclamos}"]; version=4`},
		{say: "then it goes", call: "DELETE /v1/queues/{ventas}", want: "204"},
		{say: "and its name is free", call: "POST /v1/queues", body: `{"name":"Ventas 2"}`, want: "201"},
		{say: "a person goes", call: "PATCH /v1/queues/{queue}", body: `{"members":["{agent}"]}`, want: "200"},
		{say: "(gone)", call: "DELETE /v1/specialists/{agent}", want: "204"},
		{say: "and may come back as it was read", call: "PATCH /v1/queues/{queue}", body: `{"members":["{agent}"]}`, want: `200 members=["{agent}"]`},
	})
}

// TestQueueChannelEdges: how many numbers, and of how many queues each.
func TestQueueChannelEdges(t *testing.T) {
	s := seed(t)
	working := func(n int, queues []string) []string {
		var ids []string
		for i := range n {
			id := s.demo.OutsideID()
			check(t, s.demo.SaveChannel(t.Context(), desk.Channel{ID: id, Kind: "whatsapp", Provider: "gupshup", State: desk.ChannelActive, Queues: queues, Identifier: fmt.Sprint(5215550000000 + i), CreatedAt: start}, nil))
			ids = append(ids, `"`+id+`"`)
		}
		return ids
	}
	full := working(1, strings.Fields(strings.Repeat("q ", desk.MaxChannelQueues)))
	almost := working(1, strings.Fields(strings.Repeat("q ", desk.MaxChannelQueues-1)))
	first, second := working(MaxQueueChannels, nil), working(MaxQueueChannels, nil)
	list := func(ids ...string) string { return `{"channels":[` + strings.Join(ids, ",") + `]}` }
	play(t, s, []step{
		{say: "a number that works in 49 queues", call: "PATCH /v1/queues/{queue}", body: list(almost...), want: "200"},
		{say: "one that works in 50", call: "PATCH /v1/queues/{queue}", body: list(full...), want: "422 channels[0] channel_full"},
		{say: "50 numbers", call: "PATCH /v1/queues/{queue}", body: list(first...), want: "200"},
		{say: "51", call: "PATCH /v1/queues/{queue}", body: list(append(first, almost[0])...), want: "422 channels too_many"},
		{say: "40 others in place of 50: 90 changes", call: "PATCH /v1/queues/{queue}", body: list(second[:maxMoved-MaxQueueChannels]...), want: "200"},
		{say: "(50 again)", call: "PATCH /v1/queues/{queue}", body: list(first...), want: "200"},
		{say: "91 changes", call: "PATCH /v1/queues/{queue}", body: list(second[:maxMoved-MaxQueueChannels+1]...), want: "422 channels too_many_changes"},
	})
}

// TestCampaigns: reasons to write to people.
func TestCampaigns(t *testing.T) {
	s := seed(t)
	play(t, s, []step{
		{say: "a name", call: "POST /v1/campaigns", body: `{"name":"Verano"}`, want: `201 name="Verano"; version=1`, as: "verano"},
		{say: "that another has", call: "POST /v1/campaigns", body: `{"name":"verano"}`, want: "422 name taken"},
		{say: "they are listed", call: "GET /v1/campaigns", want: `200 items.0.id="{verano}"; items.1.id="{campaign}"; items.2=null`},
		{say: "and one is read", call: "GET /v1/campaigns/{verano}", want: `200 name="Verano"`},
		{say: "another name", call: "PATCH /v1/campaigns/{verano}", body: `{"name":"Otoño"}`, headers: []string{`If-Match: "1"`}, want: `200 name="Otoño"; version=2`},
		{say: "it goes", call: "DELETE /v1/campaigns/{verano}", want: "204"},
		{say: "once", call: "DELETE /v1/campaigns/{verano}", want: "404 not_found: "},
	})
}

// TestAssignedStays: a queue or campaign to which a template is assigned stays, but
// for a template of a deleted channel.
func TestAssignedStays(t *testing.T) {
	s := seed(t)
	v := must(s.demo.Template(t.Context(), s.template))
	v.Queues, v.Campaigns = []string{s.queue}, []string{s.campaign}
	check(t, s.demo.SaveTemplate(t.Context(), v, nil))
	play(t, s, []step{
		{say: "the queue", call: "DELETE /v1/queues/{queue}", want: "409 in_use: "},
		{say: "the campaign", call: "DELETE /v1/campaigns/{campaign}", want: "409 in_use: "},
		{say: "the channel goes", call: "DELETE /v1/channels/{channel}", want: "204"},
		{say: "then the queue", call: "DELETE /v1/queues/{queue}", want: "204"},
		{say: "and the campaign", call: "DELETE /v1/campaigns/{campaign}", want: "204"},
	})
}

// TestQ32LinkAConversation: another conversation belongs to a case, and with it the
// case to another channel.
func TestQ32LinkAConversation(t *testing.T) {
	w := newWorking(seed(t))
	other := w.conversationOf(w.two, "573008888888")
	const path = "POST /v1/cases/{alone}/conversations"
	first := store.ConversationID(w.one, "573000000000")
	alone := w.cases[0]
	fill := func(text string) string { return strings.ReplaceAll(text, "{alone}", alone) }
	play(t, w.seeded, []step{
		{say: "a case of a person says whose it is", call: fill("GET /v1/cases/{alone}"), token: w.agent,
			want: `200 contact="` + store.ContactID("whatsapp", "573000000000") + `"; conversation="` + first + `"; message="sent-573000000000"; conversations=["` + first + `"]`},
		{say: "by contact", call: "GET /v1/cases?contact=" + store.ContactID("whatsapp", "573000000000"), token: w.agent, want: `200 items.0.id="` + alone + `"; items.1=null`},
		{say: "by another contact", call: "GET /v1/cases?contact=none", want: `200 items=[]`},
		{say: "by what cannot be one", call: "GET /v1/cases?contact=a%2Fb", want: "422 contact invalid"},
		{say: "nothing", call: fill(path), token: w.agent, body: `{}`, want: "422 conversation required"},
		{say: "what there is not", call: fill(path), body: `{"conversation":"none"}`, want: "422 conversation not_found"},
		{say: "another conversation", call: fill(path), token: w.agent, body: `{"conversation":"` + other + `"}`, headers: []string{`If-Match: "1"`},
			want: `200 conversations=["` + first + `","` + other + `"]; conversation="` + first + `"; version=2`},
		{say: "twice changes nothing", call: fill(path), token: w.agent, body: `{"conversation":"` + other + `"}`, want: `200 version=2`},
		{say: "at an old version", call: fill(path), body: `{"conversation":"` + other + `"}`, headers: []string{`If-Match: "1"`}, want: "412 stale: If-Match stale"},
		{say: "the history tells it and by whom", call: fill("GET /v1/cases/{alone}/history"), want: `200 items.1.kind="linked"; items.1.text="` + other + `"; items.1.by="{agent}"; items.2=null`},
		{say: "the first channel alone ends it no more", call: "GET /v1/channels/" + w.one + "/impact", want: "200 cases=1"},
		{say: "an anonymous case leads to nobody", call: "POST /v1/cases/{case}/conversations", body: `{"conversation":"` + other + `"}`, want: "409 anonymous_case: "},
		{say: "a case of nobody's", call: "POST /v1/cases/none/conversations", body: `{"conversation":"` + other + `"}`, want: "404 not_found: "},
		{say: "(closed)", call: fill("PATCH /v1/cases/{alone}"), body: `{"state":"closed"}`, want: "200"},
		{say: "what is linked stays so", call: fill(path), body: `{"conversation":"` + other + `"}`, want: "200 version=3"},
		{say: "a closed case takes no other", call: fill(path), body: `{"conversation":"{conversation}"}`, want: "409 case_closed: "},
	})

	full := must(w.demo.Case(t.Context(), w.cases[1]))
	k := full
	for len(k.Conversations) < desk.MaxCaseConversations-1 {
		k.Conversations = append(k.Conversations, fmt.Sprint("c", len(k.Conversations)))
	}
	check(t, w.demo.SaveCase(t.Context(), full, k))
	play(t, w.seeded, []step{
		{say: "the 50th", call: "POST /v1/cases/" + k.ID + "/conversations", body: `{"conversation":"` + other + `"}`, want: "200"},
		{say: "the 51st", call: "POST /v1/cases/" + k.ID + "/conversations", body: `{"conversation":"{conversation}"}`, want: "422 conversation too_many"},
	})
}
