// Package pages serves what a person without an account sees in a browser: the
// form that makes an anonymous case, and the page that follows it. Everything is
// HTML from the server and works without JavaScript; one style sheet and one
// small script are all that a page loads, from here.
//
// Who holds a link is in: the form's secret makes one case, the tracking secret
// shows it. Both stand in addresses only, so pages tell browsers, caches and
// crawlers to keep them to themselves, and log lines hold the route, never the
// path (T12, T39).
//
//	portal.go  routes, headers, what every visit has in common
//	form.go    /c/{form}: show, check, make the case
//	track.go   /t/{tracking}: follow, add, keep a record
//	body.go    from posted bytes to clean text
//	view.go    templates and what they are given
package pages
