// Package api is the JSON API (contract section 3) and its description.
//
// routes.go is the whole surface: one table of method, pattern, role and
// handler. openapi.yaml beside it says the same to callers; a test holds the two
// together. What every resource does alike is written once: who may call
// (call.go), lists (list.go), creating once per Idempotency-Key (create.go),
// changing at a version (change.go) and the five verbs made of these
// (resource.go). The other files say what is particular about a kind of thing:
// which fields it has, what they may hold, how it is shown.
package api
