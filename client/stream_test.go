package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const (
	helloLine = `{"type":"hello","protocol":1,"flows":[{"flow":"f","columns":["a"],"static":{},"every_ms":60000}]}`
	rowsLine  = `{"type":"rows","flow":"f","window_start":"2026-11-26T14:55:00Z","window_end":"2026-11-26T15:00:00Z","final":true,"rows":[["x","1"]]}`
)

func progressLine(position string) string {
	return fmt.Sprintf(`{"type":"progress","position":%q,"vector":{},"snapshot":false}`, position)
}

// serve answers requests by a function of how many there were before.
func serve(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) string {
	t.Helper()
	requests := make(chan int, 1)
	requests <- 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := <-requests
		requests <- n + 1
		answer(n, w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func say(w http.ResponseWriter, lines ...string) {
	for _, l := range lines {
		_, _ = fmt.Fprintln(w, l) // the client may have left
	}
	_ = http.NewResponseController(w).Flush()
}

// next is the next batch, which has to come in time.
func next(t *testing.T, s *Stream) Batch {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	batch, err := s.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

// TestResetForgetsThePosition: a stream that is cut off between a reset and the next
// position begins from nothing: the position of before the reset is void, as its rows are.
func TestResetForgetsThePosition(t *testing.T) {
	asked := make(chan string, 2)
	url := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Query().Get("after")
		if n == 0 {
			say(w, helloLine, `{"type":"reset","reason":"rebuilt"}`, helloLine, rowsLine)
			return // it is killed
		}
		say(w, helloLine, rowsLine, progressLine("1.00000002.7"))
	})
	s := Open(Source{URLs: []string{url}, Flows: []string{"f"}, After: "1.00000001.5", MaxRows: 1})
	defer s.Close()
	if b := next(t, s); !b.Reset || b.Position != "" || s.Position() != "" {
		t.Errorf("after a reset the position is %q, of the batch %+v", s.Position(), b)
	}
	if b := next(t, s); !b.Reset || b.Reason != ReasonStart {
		t.Errorf("after it was cut off it does not begin again: %+v", b)
	}
	if b := next(t, s); b.Position != "1.00000002.7" || s.Position() != b.Position {
		t.Errorf("at the end of the snapshot: %+v", b)
	}
	if first, second := <-asked, <-asked; first != "1.00000001.5" || second != "" {
		t.Errorf("asked for what comes after %q, then %q", first, second)
	}
}

// TestSilentServer: a server that takes the connection and does not answer is given up, and
// the next one is asked.
func TestSilentServer(t *testing.T) {
	silent := serve(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	good := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { say(w, helloLine, progressLine("1.00000001.1")) })
	var trouble []string
	s := Open(Source{URLs: []string{silent, good}, Flows: []string{"f"}, Trouble: func(err error) error {
		trouble = append(trouble, err.Error())
		return nil
	}})
	s.silence = 500 * time.Millisecond
	defer s.Close()
	next(t, s)
	if got := strings.Join(trouble, ";"); !strings.Contains(got, "nothing came for 500ms") {
		t.Errorf("it failed with %q", got)
	}
}

// TestSilenceIsTheServers: what the application does with a batch takes as long as it
// takes, and is no silence of the server.
func TestSilenceIsTheServers(t *testing.T) {
	url := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		say(w, helloLine, progressLine("1.00000001.1"))
		<-r.Context().Done()
	})
	s := Open(Source{URLs: []string{url}, Flows: []string{"f"}})
	defer s.Close()
	next(t, s)
	if s.conn.quiet.Stop() {
		t.Error("silence is measured while nobody reads")
	}
}

// TestComesAgainWhenTold: a stream that ends because it is old is no trouble; one that is
// refused waits as long as the server says.
func TestComesAgainWhenTold(t *testing.T) {
	url := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		say(w, helloLine, rowsLine, progressLine(fmt.Sprintf("1.00000001.%d", n+1)), `{"type":"bye","reason":"age","retry_ms":1}`)
	})
	s := Open(Source{URLs: []string{url}, Flows: []string{"f"}, Trouble: func(err error) error { return err }})
	defer s.Close()
	next(t, s)
	if b := next(t, s); b.Position != "1.00000001.2" || b.Reset {
		t.Errorf("the second answer gives %+v", b)
	}
	refused := httptest.NewRecorder()
	refused.Header().Set("Retry-After", "5")
	refused.WriteHeader(http.StatusServiceUnavailable)
	resp := refused.Result()
	defer func() { _ = resp.Body.Close() }()
	var told *laterError
	if err := refusal(resp); !errors.As(err, &told) || told.after != 5*time.Second || told.usual {
		t.Errorf("refused with %v", err)
	}
}

// TestRefusedForGood: what a server refuses for good is said with what was followed, and with
// what the server says can be done.
func TestRefusedForGood(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"status":"error","error":"there is no flow \"x\"","hint":"laminar flow list"}`)
	}))
	defer server.Close()
	for name, want := range map[string]string{"": "x, g", "eu": "eu"} {
		err := FanIn(t.Context(), []Source{{Name: name, URLs: []string{server.URL}, Flows: []string{"x"}, Groups: []string{"g"}}}, func(Batch) error { return nil })
		var refused *Error
		if !errors.As(err, &refused) || refused.Hint() != "laminar flow list" || err.Error() != "follow "+want+`: the server answered 404: there is no flow "x"` {
			t.Errorf("of the source %q: %v", name, err)
		}
	}
}
