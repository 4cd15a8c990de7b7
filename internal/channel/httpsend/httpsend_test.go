package httpsend_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/channel"
	"buzon/internal/channel/channeltest"
	"buzon/internal/channel/httpsend"
	"buzon/internal/desk"
)

func ask(t *testing.T, most int64, body io.Reader, answer http.HandlerFunc) (httpsend.Answer, *channel.Error) {
	t.Helper()
	srv := httptest.NewServer(answer)
	t.Cleanup(srv.Close)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	return httpsend.Do(channeltest.Local(), req, most)
}

func TestDoReadsAnAnswer(t *testing.T) {
	for _, tc := range []struct {
		why, body, want string
		cut             bool
	}{
		{"nothing", "", "", false},
		{"as much as is read", "12345678", "12345678", false},
		{"more", "123456789", "12345678", true},
	} {
		got, bad := ask(t, 8, nil, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			io.WriteString(w, tc.body)
		})
		if bad != nil || got.Status != http.StatusTeapot || got.OK() || string(got.Body) != tc.want || got.Cut != tc.cut {
			t.Errorf("%s: %+v, %v", tc.why, got, bad)
		}
	}
	got, bad := ask(t, 100, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "50")
		io.WriteString(w, "half")
	})
	if bad != nil || !got.OK() || len(got.Body) > 0 {
		t.Errorf("an answer that breaks off: %+v, %v", got, bad)
	}
}

func TestDoNeverFollowsARedirect(t *testing.T) {
	got, bad := ask(t, 8, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			t.Error("was followed")
		}
		http.Redirect(w, r, "/steal", http.StatusFound)
	})
	if bad != nil || got.Status != http.StatusFound {
		t.Errorf("%+v, %v", got, bad)
	}
}

// broken is a body that breaks off.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestDoWithoutAnAnswer: what was not written whole has not arrived.
func TestDoWithoutAnAnswer(t *testing.T) {
	drop := func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}
	_, lost := ask(t, 8, strings.NewReader("x"), drop)
	if diff := cmp.Diff(httpsend.Unknown("no_answer"), lost); diff != "" {
		t.Error(diff)
	}
	_, cut := ask(t, 8, io.MultiReader(strings.NewReader("x"), broken{}), drop)
	want := &channel.Error{Verdict: channel.Later, Code: "no_connection", Reason: "provider_unreachable", Cause: desk.WaitUnavailable}
	if diff := cmp.Diff(want, cut); diff != "" {
		t.Error(diff)
	}
}

func TestHarmless(t *testing.T) {
	later := &channel.Error{Verdict: channel.Later, Code: "c", Reason: "unexpected_answer", Cause: desk.WaitUnavailable}
	refused := &channel.Error{Verdict: channel.Refused, Code: "c"}
	if got := httpsend.Harmless(httpsend.Unknown("c")); cmp.Diff(later, got) != "" {
		t.Errorf("unknown: %+v", got)
	}
	if httpsend.Harmless(refused) != refused || httpsend.Harmless(nil) != nil {
		t.Error("changes what is known")
	}
}

func TestAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tc := range []struct {
		why, name, value string
		want             time.Duration
	}{
		{"seconds", "Retry-After", "7", 7 * time.Second},
		{"a part of one counts whole", "Retry-After", "0.2", time.Second},
		{"a date", "Retry-After", now.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second},
		{"a date that is past", "Retry-After", now.Add(-time.Second).Format(http.TimeFormat), 0},
		{"a date years away", "Retry-After", now.AddDate(9, 0, 0).Format(http.TimeFormat), 24 * time.Hour},
		{"a day", "Retry-After", "86400", 24 * time.Hour},
		{"more than a day", "Retry-After", "86401", 24 * time.Hour},
		{"Gupshup's own header", "X-Rate-Limit-Retry-After-Seconds", "12", 12 * time.Second},
		{"nought", "Retry-After", "0", 0},
		{"less", "Retry-After", "-7", 0},
		{"no number", "Retry-After", "NaN", 0},
		{"a word", "Retry-After", "soon", 0},
		{"nothing", "X-Other", "7", 0},
	} {
		h := http.Header{}
		h.Set(tc.name, tc.value)
		if got := httpsend.After(h, now); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.why, got, tc.want)
		}
	}
}
