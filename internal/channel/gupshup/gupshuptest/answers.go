package gupshuptest

import (
	"fmt"
	"strings"
	"time"

	"buzon/internal/desk"
)

// ListItem is a template as Gupshup has it. Empty fields stay out, but for those
// that every item has: id, elementName, languageCode, category, status.
type ListItem struct {
	ID       string
	App      string // appId
	Name     string
	Language string
	Category string // as Gupshup writes it: MARKETING
	Type     string // TEXT
	State    string // APPROVED
	Reason   string
	Quality  string // GREEN
	Body     string
	// NextCategory is what Meta has announced: correctCategory in containerMeta.
	NextCategory string
	At           time.Time // when it was requested; zero: not told
}

// Item is a template of ours as Gupshup has it in this state.
func Item(ch desk.Channel, t desk.Template, state, reason string) ListItem {
	return ListItem{
		ID: t.ProviderID, App: ch.AppID, Name: t.Name, Language: t.Language, Category: strings.ToUpper(t.Category),
		Type: strings.ToUpper(t.Type), State: strings.ToUpper(state), Reason: reason, Quality: "UNKNOWN", Body: t.Body, At: t.CreatedAt,
	}
}

func (i ListItem) object() object {
	o := object{"id": i.ID, "elementName": i.Name, "languageCode": i.Language, "category": i.Category, "status": i.State}
	meta := object{"appId": i.App, "data": i.Body, "enableSample": true, "allowTemplateCategoryChange": false}
	if i.NextCategory != "" {
		meta["correctCategory"] = i.NextCategory
	}
	o["containerMeta"] = string(encode(meta))
	for key, value := range map[string]string{"appId": i.App, "templateType": i.Type, "reason": i.Reason, "quality": i.Quality, "data": i.Body} {
		if value != "" {
			o[key] = value
		}
	}
	if !i.At.IsZero() {
		o["createdOn"], o["modifiedOn"] = i.At.UnixMilli(), i.At.UnixMilli()
	}
	return o
}

// Page is a page of a list of templates, page counted from 0.
func Page(items []ListItem, page, size int) []byte {
	from := min(page*size, len(items))
	list := []any{}
	for _, i := range items[from:min(from+size, len(items))] {
		list = append(list, i.object())
	}
	return encode(object{"status": "success", "templates": list})
}

// Requested is the answer to the request of a template.
func Requested(i ListItem) []byte {
	return encode(object{"status": "success", "template": i.object()})
}

// Uploaded is the answer to an upload.
func Uploaded(name, id, url string) []byte {
	return encode(object{"status": "success", "media": object{"fileName": name, "id": id, "url": url}})
}

// Refused is an error's body.
func Refused(message string) []byte {
	return encode(object{"status": "error", "message": message})
}

// NameTaken is what Gupshup says to a template of a name and language that the
// account already has.
const NameTaken = "Template Already exists with same namespace and elementName and languageCode"

// Items are n templates with consecutive ids and names.
func Items(n int) []ListItem {
	list := make([]ListItem, n)
	for i := range list {
		list[i] = ListItem{ID: fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", i), Name: fmt.Sprintf("plantilla_%d", i), Language: "es", Category: "UTILITY", Type: "TEXT", State: "APPROVED", Body: "Hola"}
	}
	return list
}
