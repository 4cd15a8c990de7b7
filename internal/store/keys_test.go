package store

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
)

// keysOf makes a key with every constructor that Company has, by its name.
func keysOf(c Company) map[string]table.Key {
	return map[string]table.Key{
		"tenantKey": c.tenantKey(), "channelKey": c.channelKey("i"), "waitKey": c.waitKey("i"), "templateKey": c.templateKey("i"),
		"botKey": c.botKey(), "catalogueKey": c.catalogueKey(kindProject, "i"), "leavingKey": c.leavingKey(kindProject, "i"),
		"conversationKey": c.conversationKey("i"), "turnKey": c.turnKey("i", "j"), "sentKey": c.sentKey("i", "j"), "receiptKey": c.receiptKey("i", "j"),
		"messageOfKey": c.messageOfKey("i", "j"), "consentKey": c.consentKey("i", "j", desk.ScopeAll), "formKey": c.formKey("i"),
		"trackingKey": c.trackingKey("i"), "caseKey": c.caseKey("i"), "caseEventKey": c.caseEventKey("i", "j"),
		"referenceKey": c.referenceKey("i"), "clientKey": c.clientKey("i"), "specialistKey": c.specialistKey("i"),
		"tokenKey": c.tokenKey("i"), "uniqueKey": c.uniqueKey("i", "j"), "quarantinedKey": c.quarantinedKey("i"), "onceKey": c.onceKey("i"),
		"syncKey": c.syncKey("i"), "interactionKey": c.interactionKey("i", "j"), "accountKey": c.accountKey("i", "j"), "queueKey": c.queueKey("i"),
		"campaignKey": c.campaignKey("i"), "uploadKey": c.uploadKey("i"), "sentMessageKey": c.sentMessageKey("i", "j"),
		"contactKey": c.contactKey("i", "j"), "straysKey": c.straysKey("i"),
	}
}

func TestT13EveryKeyHoldsItsCompany(t *testing.T) {
	var s Store
	acme, bolt := keysOf(s.In("acme")), keysOf(s.In("bolt"))
	seen := map[table.Key]string{}
	for name, k := range acme {
		if k.PK != "T#acme" && !strings.HasPrefix(k.PK, "T#acme#") {
			t.Errorf("%s: %q", name, k.PK)
		}
		if k.SK == "" {
			t.Errorf("%s: no sort key", name)
		}
		if bolt[name].PK == k.PK {
			t.Errorf("%s: one key for two companies", name)
		}
		if other, twice := seen[k]; twice {
			t.Errorf("%s and %s make one key", name, other)
		}
		seen[k] = name
	}

	// The table above is whole, and no file makes a partition past it.
	files, err := filepath.Glob("*.go")
	must(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source := got[[]byte](t)(os.ReadFile(name))
		if name != "keys.go" && strings.Contains(string(source), `"T#`) {
			t.Errorf("%s makes a partition of its own", name)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, 0)
		must(t, err)
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || fmt.Sprint(f.Recv.List[0].Type) != "Company" || f.Type.Results == nil || len(f.Type.Results.List) != 1 {
				continue
			}
			if sel, ok := f.Type.Results.List[0].Type.(*ast.SelectorExpr); ok && sel.Sel.Name == "Key" {
				if _, listed := acme[f.Name.Name]; !listed {
					t.Errorf("%s is not in the table of this test", f.Name.Name)
				}
			}
		}
	}
}

func TestTenantOfAnOutsideID(t *testing.T) {
	for _, c := range []struct{ why, id, tenant string }{
		{"a company and a rest", "acme-x1", "acme"},
		{"a rest with separators", "acme-a-b_C9", "acme"},
		{"16 letters", "abcdefghijklm012-x", "abcdefghijklm012"},
		{"17 letters", "abcdefghijklm0123-x", ""},
		{"64 behind it", "a-" + strings.Repeat("x", 64), "a"},
		{"65 behind it", "a-" + strings.Repeat("x", 65), ""},
		{"no rest", "acme-", ""},
		{"no separator", "acme", ""},
		{"no company", "-x", ""},
		{"capital letters", "Acme-x", ""},
		{"another partition's letters", "a#b-x", ""},
		{"another partition's letters behind", "acme-x#CASE", ""},
		{"no UTF-8", "acme-\xff", ""},
		{"a space", "acme-x y", ""},
		{"a letter beyond ASCII", "acmé-x", ""},
		{"nothing", "", ""},
	} {
		tenant, ok := TenantOf(c.id)
		if tenant != c.tenant || ok != (c.tenant != "") {
			t.Errorf("%s: %q %t", c.why, tenant, ok)
		}
	}
	s, _ := open(nil)
	if tenant, ok := TenantOf(s.In("acme").OutsideID()); tenant != "acme" || !ok {
		t.Errorf("one of ours: %q %t", tenant, ok)
	}
}

func FuzzTenantOf(f *testing.F) {
	for _, seed := range []string{"acme-x", "-", "a-b-c", "", "acme-x#y", "é-x", strings.Repeat("a", 5000), "a\n-x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		tenant, ok := TenantOf(id)
		if allocs := testing.AllocsPerRun(1, func() { TenantOf(id) }); allocs > 0 {
			t.Errorf("%v allocations", allocs)
		}
		if !ok {
			if tenant != "" {
				t.Errorf("refused, and yet %q", tenant)
			}
			return
		}
		if !ValidTenant(tenant) || !strings.HasPrefix(id, tenant+"-") || len(id) > MaxTenantID+1+MaxOutsideID || strings.ContainsAny(id, "#/% \n") {
			t.Errorf("%q taken", id)
		}
	})
}

func TestHashKeepsPartsApart(t *testing.T) {
	seen := map[string]string{}
	for _, parts := range [][]string{{"ab", "c"}, {"a", "bc"}, {"abc"}, {"abc", ""}, {"", "abc"}, {}, {""}, {"1:a"}, {"1", ":a"}} {
		h := Hash(parts...)
		if other, twice := seen[h]; twice {
			t.Errorf("%q and %s: %s", parts, other, h)
		}
		seen[h] = fmt.Sprintf("%q", parts)
		if len(h) != 26 || strings.Trim(h, "0123456789abcdefghjkmnpqrstvwxyz") != "" {
			t.Errorf("%q: %q", parts, h)
		}
	}
	// Ids in stored rows: they must not change.
	for got, want := range map[string]string{
		ConversationID("acme-wa", "5491"): "03dnrbzbz5k4c8749j9stb2md0", TurnID("wamid.1"): "3jywek49z0hesgkrpptpvdnd20", AnonymousCaseID("f"): "1g9w8wg2wfr7j3ztps5vs8ddjg", Reference("c", 0): "W80H-XQWM",
		ReplyID("co", "tu", 1): "1r0bakcyy8sna0asg2rd8er5b0",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// fenced fails a test in which a call leaves the company's partitions.
type fenced struct {
	table.Table
	tb     testing.TB
	tenant string
}

func (f fenced) check(pk string) {
	f.tb.Helper()
	if pk != "T#"+f.tenant && !strings.HasPrefix(pk, "T#"+f.tenant+"#") && !strings.HasPrefix(pk, "CLOCK#") {
		f.tb.Errorf("%s reaches for %q", f.tenant, pk)
	}
}

func (f fenced) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	for _, k := range keys {
		f.check(k.PK)
	}
	return f.Table.Get(ctx, keys...)
}

func (f fenced) Query(ctx context.Context, q table.Q) (table.Page, error) {
	f.check(q.PK)
	return f.Table.Query(ctx, q)
}

func (f fenced) Write(ctx context.Context, ops ...table.Op) error {
	for _, op := range ops {
		f.check(op.Item.PK)
		if op.Item.Index != (table.Key{}) {
			f.check(op.Item.Index.PK)
		}
	}
	return f.Table.Write(ctx, ops...)
}

// fill writes one thing of every kind. All companies get the same ids; only
// what the things say is the company's own.
func fill(tb testing.TB, c Company) {
	ctx, own := tb.Context(), "of "+c.Tenant
	must(tb, c.MakeTenant(ctx, desk.Tenant{ID: c.Tenant, Name: own}))
	must(tb, c.ConnectChannel(ctx, desk.Channel{}, desk.Channel{
		ID: "ch", Kind: "whatsapp", Provider: desk.ProviderMeta, State: desk.ChannelActive, CompanyName: own,
		Identifier: "5490", PhoneNumberID: "2001", AccountID: "1001",
	}, nil))
	must(tb, c.SaveChannelSync(ctx, "ch", desk.ChannelSync{Error: own}, c.ChannelTimer(WakeSync, "ch", 0, noon)))
	must(tb, c.SaveQueue(ctx, desk.Queue{}, desk.Queue{ID: "qu", Name: own}, nil))
	must(tb, c.SaveCampaign(ctx, desk.Campaign{}, desk.Campaign{ID: "cm", Name: own}, nil))
	must(tb, c.CreateUpload(ctx, desk.Upload{ID: "up", Name: own, CreatedAt: noon}, nil))
	must(tb, c.SaveChannelWait(ctx, "ch", StoredWait{Wait: desk.Wait{Cause: own}}))
	must(tb, c.CreateTemplate(ctx, desk.Template{ID: "t", Channel: "ch", ProviderID: "pt", Name: own}, "", nil))
	must(tb, c.SaveBot(ctx, desk.BotSettings{AnonymousUser: own}))
	must(tb, c.SaveProject(ctx, desk.Project{}, desk.Project{ID: "p", Name: own, Code: "P"}, nil))
	must(tb, c.SaveGroup(ctx, desk.ServiceGroup{ID: "g", Project: "p", Name: own}, nil))
	must(tb, c.SaveService(ctx, desk.Service{ID: "s", Project: "p", Group: "g", Name: own}, nil))
	must(tb, c.SaveCategory(ctx, desk.Category{ID: "k", Service: "s", Name: own}, nil))
	conv := desk.Conversation{ID: "co", Channel: "ch", Person: "5491", Contact: "con", Name: own}
	form := desk.Form{Hash: "f", ProjectName: own}
	turn := StoredTurn{Turn: desk.Turn{ID: "tu", Conversation: "co", Note: own, Replies: []desk.Reply{{
		ID: "r-" + c.Tenant, ProviderID: "sent", Outgoing: desk.Outgoing{Template: &desk.TemplateUse{Taps: true}},
	}}}}
	ticket := desk.Case{ID: "ti", Reference: "TIC", State: desk.CaseNew, Title: own, Channels: []string{"ch"}}
	must(tb, c.Commit(ctx, Commit{Conversation: conv, Turn: turn, Form: &form, Ticket: &ticket, Timers: []Timer{c.NewTimer(WakeInbound, conv, noon)}}))
	turn.Replies[0].Reason = own
	must(tb, c.SaveSent(ctx, turn))
	form.Version = 1
	must(tb, c.MakeAnonymousCase(ctx, form, desk.Case{ID: "ca", Reference: "REF", State: desk.CaseNew, Title: own, Project: "pr"}, "tr"))
	must(tb, c.AddToCase(ctx, desk.Case{}, desk.Case{ID: "ca", Reference: "REF", State: desk.CaseNew, Title: own, Project: "pr", Versioned: desk.Versioned{Version: 1}},
		desk.CaseEvent{ID: "ev", Case: "ca", Text: own, At: noon}))
	must(tb, c.SaveConsent(ctx, desk.Consent{Channel: "ch", Person: "5491", OptedIn: c.Tenant == "acme", At: noon}))
	failed := desk.Receipt{Channel: "ch", SendID: "gs", MessageID: "m", Status: desk.Failed, At: noon, Reason: own}
	must(tb, c.SaveReceipt(ctx, failed))
	must(tb, c.SaveReceipt(ctx, desk.Receipt{Channel: "ch", SendID: own, Enqueued: true, Destination: "5491", At: noon}))
	must(tb, c.SaveClient(ctx, desk.Client{}, desk.Client{ID: "cl", Name: own, UserName: "u", Phone: "5491"}, nil))
	must(tb, c.SaveSpecialist(ctx, desk.Specialist{}, desk.Specialist{ID: "sp", Name: own, UserName: "v"}, nil))
	must(tb, c.SaveToken(ctx, desk.Token{ID: "to", Specialist: "sp", Description: own}, nil))
	must(tb, c.Quarantine(ctx, desk.Quarantined{ID: "q", Reason: own, ReceivedAt: noon}))
	must(tb, c.Table.Write(ctx, c.Remember(Answer{Key: "on", Location: own})...))
}

// one is the text of the only item of a list.
func one[T any](text func(T) string) func([]T, string, error) (string, error) {
	return func(items []T, next string, err error) (string, error) {
		if err != nil || len(items) == 0 {
			return "", errors.Join(err, fault.NotFound)
		}
		if len(items) > 1 || next != "" {
			return "", fmt.Errorf("%d items, next %q", len(items), next)
		}
		return text(items[0]), nil
	}
}

// nameOf is the only name that was found, which is that of id.
func nameOf(id string) func(map[string]string, error) (string, error) {
	return func(names map[string]string, err error) (string, error) {
		if err == nil && len(names) == 0 {
			err = fault.NotFound
		}
		if len(names) > 1 {
			return fmt.Sprint(names), err
		}
		return names[id], err
	}
}

// whole is the text of a turn, which is of two items.
func whole(t desk.Turn) string {
	if len(t.Replies) == 1 && t.Replies[0].Reason == t.Note {
		return t.Note
	}
	return fmt.Sprintf("%s and %+v", t.Note, t.Replies)
}

func text[T any](text func(T) string) func(T, error) (string, error) {
	return func(v T, err error) (string, error) { return text(v), err }
}

// ownIf is the company's own text where an answer is the one that fill made, and
// fault.NotFound where there is none.
func ownIf(c Company, made string) func(string, error) (string, error) {
	return func(v string, err error) (string, error) {
		switch {
		case err == nil && v == "":
			err = fault.NotFound
		case v == made:
			v = "of " + c.Tenant
		}
		return v, err
	}
}

// readers read what fill wrote, each in its way.
var readers = map[string]func(ctx context.Context, c Company) (string, error){
	"company": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Tenant) string { return v.Name })(c.Self(ctx))
	},
	"channel": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Channel) string { return v.CompanyName })(c.Channel(ctx, "ch"))
	},
	"channel, fresh": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Channel) string { return v.CompanyName })(c.FreshChannel(ctx, "ch"))
	},
	"channels": func(ctx context.Context, c Company) (string, error) {
		return one(func(v desk.Channel) string { return v.CompanyName })(c.Channels(ctx, "", "", 9, ""))
	},
	"channel's wait": func(ctx context.Context, c Company) (string, error) {
		w, err := c.ChannelWait(ctx, "ch")
		if err == nil && w.Version == 0 {
			err = fault.NotFound
		}
		return w.Cause, err
	},
	"template": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Template) string { return v.Name })(c.Template(ctx, "t"))
	},
	"templates": func(ctx context.Context, c Company) (string, error) {
		list, err := c.Templates(ctx, "ch")
		return one(func(v desk.Template) string { return v.Name })(list, "", err)
	},
	"template list": func(ctx context.Context, c Company) (string, error) {
		return one(func(v desk.Template) string { return v.Name })(c.TemplateList(ctx, "ch", everything[desk.Template], 9, ""))
	},
	"template by the provider's id": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Template) string { return v.Name })(c.TemplateByProviderID(ctx, "ch", "pt"))
	},
	"bot": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.BotSettings) string { return v.AnonymousUser })(c.Bot(ctx))
	},
	"catalogue": func(ctx context.Context, c Company) (string, error) {
		cat, err := c.Catalogue(ctx)
		if err != nil || len(cat.Projects) == 0 {
			return "", errors.Join(err, fault.NotFound)
		}
		own := cat.Projects[0].Name
		if len(cat.Projects) != 1 || len(cat.Groups) != 1 || len(cat.Services) != 1 || len(cat.Categories) != 1 ||
			cat.Groups[0].Name != own || cat.Services[0].Name != own || cat.Categories[0].Name != own {
			return fmt.Sprintf("%+v", cat), nil
		}
		return own, nil
	},
	"project": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Project) string { return v.Name })(c.Project(ctx, "p"))
	},
	"group": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.ServiceGroup) string { return v.Name })(c.Group(ctx, "g"))
	},
	"service": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Service) string { return v.Name })(c.Service(ctx, "s"))
	},
	"category": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Category) string { return v.Name })(c.Category(ctx, "k"))
	},
	"conversation": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Conversation) string { return v.Name })(c.Conversation(ctx, "co"))
	},
	"conversations": func(ctx context.Context, c Company) (string, error) {
		return one(func(v desk.Conversation) string { return v.Name })(c.Conversations(ctx, ConversationFilter{}, 9, ""))
	},
	"exchange": func(ctx context.Context, c Company) (string, error) {
		conv, turn, err := c.Exchange(ctx, "co", "tu")
		if err == nil && conv.Version == 0 && turn.Version == 0 {
			err = fault.NotFound
		}
		if said := whole(turn.Turn); conv.Name != said {
			return conv.Name + " and " + said, err
		}
		return conv.Name, err
	},
	"turns": func(ctx context.Context, c Company) (string, error) {
		turns, err := c.Turns(ctx, "co", "tu")
		return one(func(v StoredTurn) string { return whole(v.Turn) })(turns, "", err)
	},
	"history": func(ctx context.Context, c Company) (string, error) {
		return one(whole)(c.History(ctx, "co", 9, ""))
	},
	"form": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Form) string { return v.ProjectName })(c.Form(ctx, "f"))
	},
	"case": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Case) string { return v.Title })(c.Case(ctx, "ca"))
	},
	"tracked case": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Case) string { return v.Title })(c.Tracked(ctx, "tr"))
	},
	"case by reference": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Case) string { return v.Title })(c.CaseByReference(ctx, "ref"))
	},
	"cases": func(ctx context.Context, c Company) (string, error) {
		return one(func(v desk.Case) string { return v.Title })(c.Cases(ctx, CaseFilter{Project: "pr"}, 9, ""))
	},
	"case history": func(ctx context.Context, c Company) (string, error) {
		lines, err := c.CaseHistory(ctx, "ca")
		if err != nil || len(lines) != 2 {
			return fmt.Sprint(lines), errors.Join(err, fault.NotFound)
		}
		return lines[1].Text, nil
	},
	"case event": func(ctx context.Context, c Company) (string, error) {
		there, err := c.HasCaseEvent(ctx, "ca", "ev")
		if err == nil && !there {
			err = fault.NotFound
		}
		return "of " + c.Tenant, err
	},
	"consent": func(ctx context.Context, c Company) (string, error) {
		v, err := c.Consent(ctx, "ch", "5491", desk.ScopeAll)
		if v.OptedIn != (c.Tenant == "acme") {
			return "the other's", err
		}
		return "of " + c.Tenant, err
	},
	"deliveries": func(ctx context.Context, c Company) (string, error) {
		known, err := c.Deliveries(ctx, "ch", []string{"gs"})
		if err == nil && len(known) == 0 {
			err = fault.NotFound
		}
		return known["gs"].Reason, err
	},
	"enqueued": func(ctx context.Context, c Company) (string, error) {
		ids, err := c.Enqueued(ctx, "ch", "5491", noon, noon.Add(time.Second))
		return one(func(id string) string { return id })(ids, "", err)
	},
	"client": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Client) string { return v.Name })(c.Client(ctx, "cl"))
	},
	"client by phone": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Client) string { return v.Name })(c.ClientByPhone(ctx, "5491"))
	},
	"clients": func(ctx context.Context, c Company) (string, error) {
		return one(func(v desk.Client) string { return v.Name })(c.Clients(ctx, "", 9, ""))
	},
	"specialist": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Specialist) string { return v.Name })(c.Specialist(ctx, "sp"))
	},
	"specialists": func(ctx context.Context, c Company) (string, error) {
		return one(func(v desk.Specialist) string { return v.Name })(c.Specialists(ctx, "", 9, ""))
	},
	"token": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Token) string { return v.Description })(c.Token(ctx, "to"))
	},
	"tokens": func(ctx context.Context, c Company) (string, error) {
		return one(func(v desk.Token) string { return v.Description })(c.Tokens(ctx, "sp", 9, ""))
	},
	"quarantined": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Quarantined) string { return v.Reason })(c.Quarantined(ctx, "q"))
	},
	"quarantine": func(ctx context.Context, c Company) (string, error) {
		return one(func(v desk.Quarantined) string { return v.Reason })(c.QuarantineList(ctx, "", 9, ""))
	},
	"channel of a number": func(ctx context.Context, c Company) (string, error) {
		return ownIf(c, "ch")(c.ChannelOfNumber(ctx, "2001"))
	},
	"channels of an account": func(ctx context.Context, c Company) (string, error) {
		ids, err := c.ChannelsOfAccount(ctx, "1001")
		return ownIf(c, "ch")(strings.Join(ids, " "), err)
	},
	"channel's sync": func(ctx context.Context, c Company) (string, error) {
		v, err := c.ChannelSync(ctx, "ch")
		if err == nil && v.Version == 0 {
			err = fault.NotFound
		}
		return v.Error, err
	},
	"queue": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Queue) string { return v.Name })(c.Queue(ctx, "qu"))
	},
	"queues": func(ctx context.Context, c Company) (string, error) {
		return one(func(v desk.Queue) string { return v.Name })(c.Queues(ctx, 9, ""))
	},
	"campaign": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Campaign) string { return v.Name })(c.Campaign(ctx, "cm"))
	},
	"queue names": func(ctx context.Context, c Company) (string, error) {
		return nameOf("qu")(c.QueueNames(ctx, "qu", "none"))
	},
	"campaign names": func(ctx context.Context, c Company) (string, error) {
		return nameOf("cm")(c.CampaignNames(ctx, "cm", "none"))
	},
	"person of a contact": func(ctx context.Context, c Company) (string, error) {
		return ownIf(c, "5491")(c.PersonOf(ctx, "ch", "con"))
	},
	"campaigns": func(ctx context.Context, c Company) (string, error) {
		return one(func(v desk.Campaign) string { return v.Name })(c.Campaigns(ctx, 9, ""))
	},
	"upload": func(ctx context.Context, c Company) (string, error) {
		return text(func(v desk.Upload) string { return v.Name })(c.Upload(ctx, "up"))
	},
	"interactions": func(ctx context.Context, c Company) (string, error) {
		cases, err := c.Interactions(ctx, "ch")
		return one(func(v desk.Case) string { return v.Title })(cases, "", err)
	},
	"sent message": func(ctx context.Context, c Company) (string, error) {
		id, _, err := c.SentMessage(ctx, "co", "sent")
		return ownIf(c, "r-"+c.Tenant)(id, err)
	},
	"impact": func(ctx context.Context, c Company) (string, error) {
		v, err := c.Impact(ctx, desk.Channel{ID: "ch"})
		if err == nil && v.Cases == 0 {
			err = fault.NotFound
		}
		return ownIf(c, "1")(fmt.Sprint(v.Cases), err)
	},
	"remembered answer": func(ctx context.Context, c Company) (string, error) {
		return text(func(v Answer) string { return v.Location })(c.Remembered(ctx, "on"))
	},
}

func TestT13NothingOfOneCompanyIsSeenByAnother(t *testing.T) {
	inner := tabletest.Open(t)
	s, _ := open(inner)
	in := func(tenant string) Company {
		one := &Store{Table: fenced{inner, t, tenant}, Now: s.Now, NewID: s.NewID} // its cache is nobody else's
		return one.In(tenant)
	}
	look := func(s func(string) Company, tenant string, filled bool) {
		t.Helper()
		for name, read := range readers {
			said, err := read(t.Context(), s(tenant))
			switch {
			case !filled && !errors.Is(err, fault.NotFound):
				t.Errorf("%s has nothing, and its %s reads %q, %v", tenant, name, said, err)
			case filled && (err != nil || said != "of "+tenant):
				t.Errorf("%s: its %s reads %q, %v", tenant, name, said, err)
			}
		}
	}
	look(in, "acme", false)
	fill(t, in("acme"))
	look(in, "acme", true)
	look(in, "bolt", false)
	fill(t, in("bolt"))
	look(in, "acme", true)
	look(in, "bolt", true)
	look(in, "acm", false) // the beginning of a name

	// Through one store the cache tells them apart as well.
	for range 2 {
		look(s.In, "acme", true)
		look(s.In, "bolt", true)
		look(s.In, "acm", false)
	}

	var fired []string
	must(t, s.DueTimers(t.Context(), noon, func(tm Timer) error {
		fired = append(fired, tm.Tenant)
		return nil
	}))
	slices.Sort(fired)
	if diff := cmp.Diff([]string{"acme", "acme", "bolt", "bolt"}, fired); diff != "" {
		t.Errorf("timers of %s", diff)
	}
}
