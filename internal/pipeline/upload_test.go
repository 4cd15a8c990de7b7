package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"buzon/internal/blob"
	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/pipeline"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// shelf is a provider that keeps files. before is called with each, its error is the
// outcome.
type shelf struct {
	channel.Provider
	kept   *[]shelved
	before func(ctx context.Context, f channel.File) error
}

// shelved is a file as the provider got it.
type shelved struct {
	kind, name, contentType string
	size                    int
}

func (s shelf) Upload(ctx context.Context, _ channel.Account, kind string, f channel.File) (desk.MediaLink, error) {
	if err := s.before(ctx, f); err != nil {
		return desk.MediaLink{}, err
	}
	raw, err := io.ReadAll(f.Body)
	if err != nil || int64(len(raw)) != f.Size {
		return desk.MediaLink{}, &channel.Error{Verdict: channel.Refused, Code: "short", Reason: "media_size"}
	}
	*s.kept = append(*s.kept, shelved{kind, f.Name, f.ContentType, len(raw)})
	return desk.MediaLink{Kind: "theirs", ID: fmt.Sprint("media-", len(*s.kept))}, nil
}

// newShelf is a world whose provider keeps files, of which acme has one.
func newShelf(t *testing.T, before func(ctx context.Context, f channel.File) error) (*world, *[]shelved) {
	kept := new([]shelved)
	if before == nil {
		before = func(context.Context, channel.File) error { return nil }
	}
	w := newWorld(t, options{mutant: func(s *seams) { s.provider = shelf{s.provider, kept, before} }})
	w.put("uploads/acme/photo", []byte("a picture"))
	return w, kept
}

func (w *world) put(key string, raw []byte) {
	w.t.Helper()
	must(w.t, w.blobs.Put(context.Background(), key, "image/png", bytes.NewReader(raw)))
}

// photo is a template with a picture of ours.
func photo() desk.Outgoing {
	out := template()
	out.Media = &desk.MediaLink{Kind: "image", Blob: "uploads/acme/photo", ContentType: "image/jpeg", Name: "photo.jpg"}
	return out
}

func TestAFileIsHandedOverFirst(t *testing.T) {
	w, kept := newShelf(t, nil)
	w.commit("5700", nil, text("one"), photo(), text("two"))
	must(t, w.wake(t.Context(), "5700", false, 1))
	sent := w.phone.sentTo("acme", "5700")
	if len(sent) != 3 || len(*kept) != 1 || (*kept)[0] != (shelved{"image", "photo.jpg", "image/jpeg", 9}) {
		t.Fatalf("%d messages, files %+v", len(sent), *kept)
	}
	if got, want := *sent[1].out.Media, (desk.MediaLink{Kind: "image", ID: "media-1", ContentType: "image/jpeg", Name: "photo.jpg"}); got != want {
		t.Errorf("sent %+v, want %+v", got, want)
	}
	if r := w.outcomes("5700")[1]; *r.Uploaded != (desk.MediaLink{ID: "media-1"}) || r.Media.Blob == "" {
		t.Errorf("kept %+v of %+v", r.Uploaded, r.Media)
	}
}

// TestAFileIsHandedOverOnce: whatever then becomes of the message.
func TestAFileIsHandedOverOnce(t *testing.T) {
	for _, test := range []struct {
		name   string
		spoil  func(w *world)
		mend   func(w *world)
		status desk.Delivery
	}{
		{"the message is refused for the moment", func(w *world) { w.phone.mood = refusing }, func(w *world) { w.phone.mood = well }, desk.Accepted},
		{"the channel is down", func(w *world) { w.phone.mood = broke }, func(w *world) { w.phone.mood = well }, desk.Accepted},
		{"nobody knows of the message", func(w *world) { w.phone.mood = mute }, func(w *world) { w.phone.mood = well }, desk.Queued},
		{"the channel's rate is used up", func(w *world) {
			w.alterChannel(func(ch *desk.Channel) { ch.Settings.PerSecond = 1 })
			for i := range 3 { // one goes, two wait on the spot
				w.commit(fmt.Sprint("58", i), nil, text("one"))
				must(w.t, w.wake(context.Background(), fmt.Sprint("58", i), false, 1))
			}
		}, func(*world) {}, desk.Accepted},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, kept := newShelf(t, nil)
			test.spoil(w)
			w.commit("5700", nil, photo())
			w.queueWake("5700", false)
			w.driver.Step()
			for range 20 {
				w.driver.Step()
			}
			if len(*kept) != 1 {
				t.Fatalf("%d files were handed over", len(*kept))
			}
			test.mend(w)
			w.run(time.Hour, time.Minute, func() bool { return len(w.conversation("5700").Unsent) == 0 })
			if r := w.outcomes("5700")[0]; len(*kept) != 1 || r.Status != test.status || !r.Done {
				t.Errorf("%d files were handed over: %+v", len(*kept), r)
			}
		})
	}
}

// TestWhatAProviderSaysToAFile: its verdict is the message's, but that nothing is ever
// sent by it.
func TestWhatAProviderSaysToAFile(t *testing.T) {
	failure := func(v channel.Verdict, cause string) error {
		return &channel.Error{Verdict: v, Code: "code", Reason: "why", Cause: cause}
	}
	for _, test := range []struct {
		name    string
		err     error
		status  desk.Delivery // after half an hour; the message behind it likewise
		reason  string
		uploads int // at least
		state   desk.ChannelState
	}{
		{"it is refused: that message ends", failure(channel.Refused, ""), desk.Failed, "why", 1, desk.ChannelActive},
		{"for the moment: it is tried again", failure(channel.Later, desk.WaitUnavailable), desk.Queued, "", 6, desk.ChannelActive},
		{"nobody knows: likewise, since nothing was sent", failure(channel.Unknown, ""), desk.Queued, "", 6, desk.ChannelActive},
		{"without a verdict: likewise", errors.New("broken"), desk.Queued, "", 6, desk.ChannelActive},
		{"the credential is dead: the channel waits", failure(channel.ChannelDown, desk.WaitCredential), desk.Queued, "", 3, desk.ChannelInterrupted},
	} {
		t.Run(test.name, func(t *testing.T) {
			tries, bad := 0, test.err
			w, kept := newShelf(t, func(context.Context, channel.File) error { tries++; return bad })
			w.commit("5700", nil, photo(), text("two"))
			w.queueWake("5700", false)
			w.run(30*time.Minute, time.Minute, never)
			got := w.outcomes("5700")
			if got[0].Status != test.status || got[0].Reason != test.reason || got[0].Attempts != 0 || tries < test.uploads || w.channel().State != test.state {
				t.Errorf("%d tries, channel %s: %+v", tries, w.channel().State, got[0])
			}
			if ended := test.status == desk.Failed; (got[1].Status == desk.Accepted) != ended || !ended && w.phone.calls != 0 {
				t.Errorf("%d calls, the one behind is %s", w.phone.calls, got[1].Status)
			}
			bad = nil
			w.run(2*time.Hour, time.Minute, func() bool { return len(w.conversation("5700").Unsent) == 0 })
			if got := w.outcomes("5700"); test.status != desk.Failed && (got[0].Status != desk.Accepted || len(*kept) != 1 || got[1].Status != desk.Accepted) {
				t.Errorf("then: %+v", got)
			}
		})
	}
}

func TestFilesOfOurs(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(w *world, out *desk.Outgoing)
		reason string // empty: it goes
		typ    string // content type handed over
	}{
		{"as many bytes as any message may have", func(w *world, out *desk.Outgoing) {
			w.put("big", make([]byte, desk.MaxTemplateVideo))
			out.Media.Blob = "big"
		}, "", "image/jpeg"},
		{"one more is not handed over", func(w *world, out *desk.Outgoing) {
			w.put("big", make([]byte, desk.MaxTemplateVideo+1))
			out.Media.Blob = "big"
		}, "media_size", ""},
		{"one that is gone", func(_ *world, out *desk.Outgoing) { out.Media.Blob = "gone" }, "media_missing", ""},
		{"without a type: that of the object", func(_ *world, out *desk.Outgoing) { out.Media.ContentType = "" }, "", "image/png"},
		{"what the provider finds itself is let be", func(_ *world, out *desk.Outgoing) { out.Media.URL = "https://files.example/1" }, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, kept := newShelf(t, nil)
			out := photo()
			test.change(w, &out)
			w.commit("5700", nil, out, text("two"))
			must(t, w.wake(t.Context(), "5700", false, 1))
			got := w.outcomes("5700")
			if (got[0].Status == desk.Accepted) != (test.reason == "") || got[0].Reason != test.reason || got[1].Status != desk.Accepted {
				t.Errorf("%s %q, then %s", got[0].Status, got[0].Reason, got[1].Status)
			}
			typ := ""
			for _, f := range *kept {
				typ = f.contentType
			}
			if typ != test.typ {
				t.Errorf("handed over as %q, want %q", typ, test.typ)
			}
		})
	}
}

// sickBlobs cannot be read for a while.
type sickBlobs struct {
	blob.Store
	sick *bool
}

func (b sickBlobs) Get(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	if *b.sick {
		return nil, blob.Info{}, errors.New("no answer")
	}
	return b.Store.Get(ctx, key)
}

// TestAFileStoreThatIsAway: it is tried again, and says nothing of the provider.
func TestAFileStoreThatIsAway(t *testing.T) {
	w, kept := newShelf(t, nil)
	sick := true
	w.out.Blobs = sickBlobs{w.blobs, &sick}
	w.commit("5700", nil, photo())
	w.queueWake("5700", false)
	for range 40 {
		w.driver.Step()
	}
	sick = false
	w.run(time.Hour, time.Minute, func() bool { return len(w.conversation("5700").Unsent) == 0 })
	if r := w.outcomes("5700")[0]; r.Status != desk.Accepted || len(*kept) != 1 {
		t.Errorf("%d files: %+v", len(*kept), r)
	}
}

// TestAFileNeedsItsTime: our own deadline cuts off neither call. Time is made up, so
// that all of it is left for them.
func TestAFileNeedsItsTime_R6(t *testing.T) {
	need := pipeline.UploadTimeout + pipeline.SendTimeout + 5*time.Second
	for _, test := range []struct {
		say   string
		left  time.Duration
		calls int
	}{
		{"a step as it is", pipeline.UploadTimeout + pipeline.SendTimeout + 8*time.Second, 1},
		{"enough for both", need + 1, 1},
		{"not enough for both", need, 0},
	} {
		t.Run(test.say, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, kept := newShelf(t, nil)
				w.commit("5700", nil, photo())
				ctx, cancel := context.WithTimeout(t.Context(), test.left)
				defer cancel()
				err := w.wake(ctx, "5700", false, 1)
				if _, again := queue.AgainAfter(err); again != (test.calls == 0) || w.phone.calls != test.calls || len(*kept) != test.calls {
					t.Errorf("%d files, %d calls: %v", len(*kept), w.phone.calls, err)
				}
			})
		})
	}
	if step := (&pipeline.Outbound{}).Worker().Step; step < need || 2*step > 100*time.Second {
		t.Errorf("a step of %v for %v", step, need)
	}
}

// TestTwoWorkersAndAFile: R6, it may be handed over twice, its message is sent once.
func TestTwoWorkersAndAFile_R6(t *testing.T) {
	var w *world
	inner := false
	w, kept := newShelf(t, func(context.Context, channel.File) error {
		if !inner {
			inner = true
			return w.wake(t.Context(), "5700", false, 1)
		}
		return nil
	})
	w.commit("5700", nil, photo(), text("two"))
	must(t, w.wake(t.Context(), "5700", false, 1))
	if len(*kept) != 2 || w.phone.calls != 2 || len(w.phone.sentTo("acme", "5700")) != 2 {
		t.Errorf("%d files, %d calls", len(*kept), w.phone.calls)
	}
	turns := w.turns("acme", store.ConversationID(channelID("acme"), "5700"))
	if r := turns[0].Replies[0]; r.Uploaded == nil || r.Status != desk.Accepted {
		t.Errorf("%+v", r)
	}
}
