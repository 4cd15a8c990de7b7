package cloudapi

import (
	"strings"
	"unicode/utf8"

	"buzon/internal/channel"
	"buzon/internal/desk"
)

// Limits of what is sent, beside those of package desk (providers.md 2.4).
const (
	MaxCaption = 1024
	MaxHeader  = 60
)

// Impossible is a message that could never go, found without asking.
func Impossible(reason string) *channel.Error {
	return &channel.Error{Verdict: channel.Refused, Code: channel.CodeNotSent, Reason: reason}
}

// Sized refuses a text that is empty or longer than most characters.
func Sized(s string, most int) *channel.Error {
	switch {
	case strings.TrimSpace(s) == "":
		return Impossible("text_empty")
	case utf8.RuneCountInString(s) > most:
		return Impossible("text_too_long")
	}
	return nil
}

// ListRows are the rows of a list as a phone can show them, their titles cut and
// distinct. A row whose title had to be cut shows its full name in its description.
func ListRows(list []desk.Row) ([]desk.Row, *channel.Error) {
	if err := choices(list, desk.ListRows); err != nil {
		return nil, err
	}
	rows := make([]desk.Row, len(list))
	full, short := titles(list, desk.MaxListTitle)
	for i, r := range list {
		about := Line(r.Description)
		if short[i] != full[i] {
			about = full[i]
			if r.Description != "" {
				about += " · " + Line(r.Description)
			}
		}
		rows[i] = desk.Row{ID: r.ID, Title: short[i], Description: Cut(about, desk.MaxListDescription)}
	}
	return rows, nil
}

// Buttons are the buttons of a message as a phone can show them, likewise.
func Buttons(list []desk.Row) ([]desk.Row, *channel.Error) {
	if err := choices(list, desk.MaxButtons); err != nil {
		return nil, err
	}
	rows := make([]desk.Row, len(list))
	_, short := titles(list, desk.MaxButtonTitle)
	for i, r := range list {
		rows[i] = desk.Row{ID: r.ID, Title: short[i]}
	}
	return rows, nil
}

// choices checks the choices of a list or of buttons.
func choices(list []desk.Row, most int) *channel.Error {
	switch {
	case len(list) == 0:
		return Impossible("choices_missing")
	case len(list) > most:
		return Impossible("too_many_choices")
	}
	for _, r := range list {
		if Line(r.Title) == "" || r.ID == "" {
			return Impossible("choice_empty")
		}
		if len(r.ID) > desk.MaxRowID {
			return Impossible("choice_id_too_long")
		}
	}
	return nil
}

// titles are the rows' titles on one line each, full and cut.
func titles(list []desk.Row, most int) (full, short []string) {
	full = make([]string, len(list))
	for i, r := range list {
		full[i] = Line(r.Title)
	}
	return full, CutTitles(full, most)
}

// Line is s without line breaks, which titles must not have.
func Line(s string) string { return strings.Join(strings.Fields(s), " ") }
