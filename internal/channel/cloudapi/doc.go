// Package cloudapi is what all providers of WhatsApp share, because they pass on
// Meta's Cloud API format: reading one value of its webhooks strictly, what its
// error codes mean, and how texts are cut to what a phone shows.
//
// It reads one event at a time into package desk's words. Envelopes, whom a body is
// for and what is counted are the provider's.
package cloudapi
