package system

import (
	"net/http"
	"strings"
	"testing"
)

// TestMakeTenant: make tenant in a local run brings a company whose token works.
func TestMakeTenant(t *testing.T) {
	r := start(t, folder(t), nil)
	var made struct {
		Tenant     string `json:"tenant"`
		AdminToken string `json:"admin_token"`
	}
	r.want(http.StatusCreated, "POST", "/simulator/tenants", "", `{"id":"acme","name":"Acme"}`, &made)
	if made.Tenant != "acme" || !strings.HasPrefix(made.AdminToken, "bzn_acme_") {
		t.Fatalf("made %+v", made)
	}
	r.want(http.StatusOK, "GET", "/v1/me", made.AdminToken, "", nil)
	for _, c := range []struct {
		say, body string
		status    int
	}{
		{"one that exists", `{"id":"acme","name":"Acme"}`, http.StatusConflict},
		{"a short id with a capital", `{"id":"Acme","name":"Acme"}`, http.StatusUnprocessableEntity},
		{"a short id that is too long", `{"id":"aaaaaaaaaaaaaaaaa","name":"Acme"}`, http.StatusUnprocessableEntity},
		{"no name", `{"id":"third"}`, http.StatusUnprocessableEntity},
		{"more than is asked", `{"id":"third","name":"T","admin":true}`, http.StatusUnprocessableEntity},
		{"no whole JSON", `{"id":"third"`, http.StatusBadRequest},
	} {
		t.Log(c.say)
		r.want(c.status, "POST", "/simulator/tenants", "", c.body, nil)
	}
}
