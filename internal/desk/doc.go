// Package desk is the vocabulary of the system: what exists (messages,
// conversations, cases, channels, templates, the catalogue of services, people)
// and the rules that hold for it whatever stores or sends it. It is pure: no
// I/O, no clock.
//
// The types are also what the store keeps, as JSON: the names of their fields
// must not change, and a new field needs a usable zero value, so that old rows
// and new code live together (R16).
package desk
