package bot

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"buzon/internal/desk"
	"buzon/internal/locale"
)

// maxGreeted is how much of a person's or company's name a greeting says.
const maxGreeted = 100

// Decide takes a dialogue one event further. It is a function of its arguments
// alone and changes none of them.
//
// A stored state that can not be read counts as none. Without a running dialogue
// any message begins one, whatever it says, and a time-out does nothing. A
// dialogue that has run out when a message comes ends with the sentence that its
// time-out would have sent, and the message begins the next one; a time-out that
// comes early leaves the state as it is.
//
// On return there are at most desk.ListRows rows in a list and four replies.
func Decide(w World, stored json.RawMessage, in Input) Decision {
	s, running := readState(stored)
	d := dialogue{w: w, s: s, running: running}
	ranOut := running && !in.Now.Before(s.Until)
	switch {
	case in.Message == nil && running && !ranOut:
		return Decision{State: stored, TimeoutAt: s.Until}
	case ranOut:
		d.end("bot.expired")
	}
	if in.Message != nil {
		if d.running {
			d.hear(*in.Message)
		} else {
			d.begin(in.ID)
		}
	}
	return d.decision(in.Now)
}

// dialogue is one call of Decide on its way.
type dialogue struct {
	w       World
	s       state
	running bool
	replies []desk.Outgoing
	form    *Pick
}

func (d *dialogue) decision(now time.Time) Decision {
	out := Decision{Replies: d.replies, Form: d.form}
	if d.running {
		d.s.V = stateVersion
		d.s.Until = now.Add(timeout(d.w.Settings)).Round(0).UTC()
		out.State, _ = json.Marshal(d.s) // plain fields: it can not fail within the years that time.Time writes
		out.TimeoutAt = d.s.Until
	}
	return out
}

// begin greets and asks the first question (S1-04, S1-08).
func (d *dialogue) begin(id string) {
	d.running = true
	d.s = state{Dialogue: dialogueName(id), Lang: language(d.w)}
	hello := d.text("bot.hello")
	if name := oneLine(d.w.Person.Name, maxGreeted); name != "" {
		hello = d.text("bot.hello_named", "name", name)
	}
	company := oneLine(d.w.Company, maxGreeted)
	if d.w.Person.Registered {
		d.s.Step = stepMenu
		d.say(d.text("bot.greeting.registered", "hello", hello, "company", company) + "\n\n" + d.menu())
		return
	}
	d.say(d.text("bot.greeting.unregistered", "hello", hello, "company", company))
	d.categorise()
}

// hear handles a message in a running dialogue.
func (d *dialogue) hear(m desk.Content) {
	// A quick reply's payload is not in every copy of a message: only its text counts.
	if m.Type == desk.ListReply || m.Type == desk.ButtonReply {
		if r, ok := parseRowID(m.ReplyID); ok {
			d.tapped(r)
			return
		}
	}
	switch {
	case isCancel(m.Text):
		d.end("bot.cancelled")
	case d.s.Step == stepMenu:
		d.choseEntry(m.Text)
	default:
		d.typed(m.Text)
	}
}

// menu is the numbered menu as text.
func (d *dialogue) menu() string {
	lines := []string{d.text("bot.menu.prompt")}
	for _, item := range menu(d.w.Settings) {
		lines = append(lines, strconv.Itoa(item.Number)+". "+d.entry(item))
	}
	return strings.Join(lines, "\n")
}

func (d *dialogue) entry(item desk.MenuItem) string {
	label := inLanguage(item.Label, d.s.Lang, d.w.Settings)
	if label == "" && item.Action == desk.ActionAnonymousCase {
		label = d.text("bot.menu.anonymous_case")
	}
	return label
}

// choseEntry takes the answer to the menu: a number (S1-05) or an entry's label.
func (d *dialogue) choseEntry(typed string) {
	items := menu(d.w.Settings)
	n, isNumber := typedNumber(typed)
	i := slices.IndexFunc(items, func(m desk.MenuItem) bool { return isNumber && m.Number == n })
	if i < 0 {
		labels := make([]option, len(items))
		for k, item := range items {
			labels[k] = option{id: strconv.Itoa(k), name: d.entry(item)}
		}
		if o, ok := byName(labels, typed); ok {
			i, _ = strconv.Atoi(o.id)
		}
	}
	if i < 0 {
		d.wrong()
		return
	}
	d.s.Wrong = 0
	if items[i].Action == desk.ActionAnonymousCase {
		d.categorise()
		return
	}
	if answer := inLanguage(items[i].Text, d.s.Lang, d.w.Settings); answer != "" {
		d.say(answer)
	}
	d.say(d.menu())
}

// categorise begins with the project: the one of the settings' code (S1-07,
// S1-10), else the first question.
func (d *dialogue) categorise() {
	d.s.Version++
	d.s.Step = stepProject
	code := strings.TrimSpace(d.w.Settings.ProjectCode)
	if code == "" {
		d.advance(nil)
		return
	}
	p, ok := projectByCode(d.w.Offered, code)
	if !ok {
		d.end("bot.no_projects")
		return
	}
	d.pick(option{kindProject, p.ID, p.Name})
	d.advance([]string{d.named(kindProject, p.Name)})
}

func projectByCode(c desk.Catalogue, code string) (desk.Project, bool) {
	for _, p := range c.Projects {
		if strings.EqualFold(p.Code, code) { // codes are unique whatever the case of their letters
			return p, true
		}
	}
	return desk.Project{}, false
}

// tapped handles a tap on a list of ours.
func (d *dialogue) tapped(r rowID) {
	if r.dialogue != d.s.Dialogue || r.step != d.s.Step || r.version != d.s.Version {
		d.say(d.text("bot.chosen_already")) // Q6
		return
	}
	if r.kind == kindNext {
		d.s.Wrong = 0
		d.ask("", r.page())
		return
	}
	o, ok := byKey(options(d.w.Offered, d.s), r.kind, r.key)
	if !ok {
		d.ask(d.text("bot.gone"), d.s.Page)
		return
	}
	d.choose(o)
}

// typed handles text at a list: Following (Q2), else an option's name.
func (d *dialogue) typed(written string) {
	all := options(d.w.Offered, d.s)
	if d.isNext(written) && d.s.Page < Pages(len(all)) {
		d.s.Wrong = 0
		d.ask("", d.s.Page+1)
		return
	}
	if o, ok := byName(all, written); ok {
		d.choose(o)
		return
	}
	d.wrong()
}

// isNext accepts the label of any language and the company's own.
func (d *dialogue) isNext(written string) bool {
	w := bare(written)
	if w == "" {
		return false
	}
	for _, lang := range desk.Languages {
		if w == bare(locale.For(lang).Text("bot.list.next")) {
			return true
		}
	}
	return w == bare(d.text("bot.list.next"))
}

// choose makes a selection; it can not be changed any more (S1-18, S1-24).
func (d *dialogue) choose(o option) {
	d.s.Wrong = 0
	if o.kind == kindCategory {
		d.finish(o)
		return
	}
	d.pick(o)
	if o.kind == kindService { // S1-25
		d.say(d.text("bot.chosen") + "\n" + d.named(o.kind, o.name))
	}
	d.advance(nil)
}

// pick notes a selection and moves on to the step after it.
func (d *dialogue) pick(o option) {
	d.s.Version++
	switch o.kind {
	case kindProject:
		d.s.Project = o.id
		d.s.Step = stepService
		if hasGroups(d.w.Offered, o.id) {
			d.s.Step = stepGroup
		}
	case kindGroup:
		d.s.Group = o.id
		d.s.Step = stepService
	case kindService:
		d.s.Service = o.id
		d.s.Step = stepCategory
	}
}

// advance goes on to the next question that has a choice, takes the only option
// of those that have none (S1-09, S1-21, Q4, Q7) and says what was taken; auto
// holds what was taken before.
func (d *dialogue) advance(auto []string) {
	for d.s.Step != stepCategory {
		all := options(d.w.Offered, d.s)
		if len(all) != 1 {
			break
		}
		d.pick(all[0])
		auto = append(auto, d.named(all[0].kind, all[0].name))
	}
	if len(auto) > 0 {
		d.say(d.text("bot.auto") + "\n" + strings.Join(auto, "\n"))
	}
	d.ask("", 1)
}

// named is a selection as it is echoed: "Servicio: Alumbrado".
func (d *dialogue) named(kind byte, name string) string {
	label := ""
	switch kind {
	case kindProject:
		label = d.text("bot.label.project")
	case kindGroup:
		label = d.text("bot.label.group")
	case kindService:
		label = d.text("bot.label.service")
	}
	return label + ": " + name
}

// ask sends a page of the current step's list, a notice above it; it ends the
// dialogue with an apology if there is nothing to choose.
func (d *dialogue) ask(notice string, page int) {
	all := options(d.w.Offered, d.s)
	prompt, none := d.question(all)
	if len(all) == 0 {
		d.end(none)
		return
	}
	pages := Pages(len(all))
	d.s.Page = min(max(page, 1), pages)
	var body []string
	if notice != "" {
		body = append(body, notice, "")
	}
	body = append(body, prompt)
	if pages > 1 {
		body = append(body, d.text("bot.list.page", "page", strconv.Itoa(d.s.Page), "pages", strconv.Itoa(pages)))
	}
	list := desk.Outgoing{
		Type:   desk.ReplyList,
		Text:   cut(strings.Join(body, "\n"), desk.MaxListBody),
		Button: cut(d.text("bot.list.button"), desk.MaxListButton),
	}
	from, to := span(len(all), d.s.Page)
	for _, o := range all[from:to] {
		list.Rows = append(list.Rows, d.row(o.kind, optionKey(o.id), o.name))
	}
	if d.s.Page < pages {
		list.Rows = append(list.Rows, d.row(kindNext, strconv.Itoa(d.s.Page+1), d.text("bot.list.next")))
	}
	d.replies = append(d.replies, list)
}

func (d *dialogue) row(kind byte, key, title string) desk.Row {
	id := rowID{dialogue: d.s.Dialogue, step: d.s.Step, version: d.s.Version, kind: kind, key: key}
	return desk.Row{ID: id.String(), Title: title}
}

// question gives the prompt of the current step and the key of the apology when
// there is nothing to choose (Q4).
func (d *dialogue) question(all []option) (prompt, none string) {
	switch d.s.Step {
	case stepProject:
		return d.text("bot.prompt.project"), "bot.no_projects"
	case stepGroup:
		if slices.ContainsFunc(all, func(o option) bool { return o.kind == kindService }) {
			return d.text("bot.prompt.group_or_service"), "bot.no_services"
		}
		return d.text("bot.prompt.group"), "bot.no_services"
	case stepService:
		return d.text("bot.prompt.service"), "bot.no_services"
	}
	return d.text("bot.prompt.category"), "bot.no_categories"
}

// wrong answers an input that means nothing here: the question again, or the end
// after desk.MaxWrongInputs of them (Q5).
func (d *dialogue) wrong() {
	d.s.Wrong++
	switch {
	case d.s.Wrong >= desk.MaxWrongInputs:
		d.end("bot.wrong_end")
	case d.s.Step == stepMenu:
		d.say(d.text("bot.menu.wrong") + "\n\n" + d.menu())
	default:
		d.ask(d.text("bot.wrong"), d.s.Page)
	}
}

// end says the last sentence; no dialogue runs afterwards.
func (d *dialogue) end(key string) {
	d.say(d.text(key))
	d.running = false
}

func (d *dialogue) say(text string) {
	d.replies = append(d.replies, desk.Outgoing{Type: desk.ReplyText, Text: cut(text, desk.MaxText)})
}

func (d *dialogue) text(key string, params ...string) string {
	return text(d.w.Settings, d.s.Lang, key, params...)
}
