// Package web is HTTP for functions and for the local run: what every handler
// needs and none should write for itself.
//
// [Handler] is the edge: request id, panics, one line of access log. [Fail]
// turns an error into an answer by one table, and is the one place that logs
// it. [ReadObject] reads a JSON body strictly and gathers all that is wrong
// with it. [Bridge] runs the same handler behind API Gateway.
package web
