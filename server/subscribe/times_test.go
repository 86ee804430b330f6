package subscribe

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"laminar/client/wire"
	"laminar/flownode/changelog"
	"laminar/flownode/progress"
	"laminar/sequence/nativehist"
)

// TestHeartbeats: a stream that waits for its turn says something all the time. Where a reset
// was sent, that is not the progress of before, which is void: who stores positions as they
// come would have the old one beside new rows.
func TestHeartbeats(t *testing.T) {
	w := newWorld(t)
	one(w, 99*minute, 1)
	times := usualTimes
	times.heartbeat = 5 * time.Millisecond
	h, base := servedWith(t, w, usualLimits, 10, time.Minute, times)
	_, lines := get(t, base, firstFlow+"&from=all")
	text := func() string {
		text, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	const progressMark = `{"type":"progress","position":"11.00000001.1"`
	for !strings.HasPrefix(text(), progressMark) {
	}
	for range 3 {
		if got := text(); !strings.HasPrefix(got, progressMark) {
			t.Fatalf("while nothing is new it says %s", got)
		}
	}
	for range CatchUps {
		h.catchUps <- struct{}{} // it is the turn of others
	}
	w.rebuild(11, 77)
	h.Changed([]progressID{11})
	for !strings.HasPrefix(text(), `{"type":"reset"`) {
	}
	if got := text(); !strings.HasPrefix(got, `{"type":"hello"`) {
		t.Fatalf("after a reset it says %s", got)
	}
	for range 10 {
		if got := text(); got != "\n" {
			t.Fatalf("while it waits it says %s", got)
		}
	}
	for range CatchUps {
		h.turnOver()
	}
	got := text()
	for got == "\n" {
		got = text()
	}
	if !strings.HasPrefix(got, `{"type":"progress","position":"11.0000004d.0"`) {
		t.Errorf("when it is its turn it says %s", got)
	}
}

// TestOpensInTurn: requests that come all at once read one behind the other, and those that
// would wait for too long are told when to come again.
func TestOpensInTurn(t *testing.T) {
	w := newWorld(t)
	times := usualTimes
	times.open = 20 * time.Millisecond
	h, base := servedWith(t, w, usualLimits, 10, time.Minute, times)
	for range CatchUps {
		h.catchUps <- struct{}{}
	}
	if resp, _ := get(t, base, firstFlow); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("while others read it is answered %d", resp.StatusCode)
	}
	for range CatchUps {
		h.turnOver()
	}
	await(t, func() bool { // a busy machine may take longer than it has
		resp, _ := get(t, base, firstFlow)
		return resp.StatusCode == 200
	})
}

// TestStreamsAge: a stream ends when it is old, but not before its client has a position.
func TestStreamsAge(t *testing.T) {
	w := newWorld(t)
	one(w, 99*minute, 1)
	times := usualTimes
	times.life = time.Nanosecond
	_, base := servedWith(t, w, usualLimits, 10, time.Minute, times)
	_, lines := get(t, base, firstFlow+"&from=all")
	hello, rows, reached, bye := line(t, lines), line(t, lines), line(t, lines), line(t, lines)
	if hello.Hello == nil || rows.Rows == nil || reached.Progress == nil || reached.Progress.Position != "11.00000001.1" {
		t.Errorf("it says %+v, %+v, %+v", hello, rows, reached)
	}
	if bye.Bye == nil || bye.Bye.Reason != wire.ByeAge || bye.Bye.Retry == 0 {
		t.Errorf("at the end it says %+v", bye)
	}
	if _, err := lines.ReadByte(); err != io.EOF {
		t.Errorf("after bye: %v", err)
	}
}

// TestPauseEndsInTime: an answer that should have ended does not try to read for ever.
func TestPauseEndsInTime(t *testing.T) {
	failed := errors.New("no database")
	st := &stream{ask: &ask{}, until: time.Now().Add(-time.Second)}
	if err := st.pause(t.Context(), failed); !errors.Is(err, failed) {
		t.Errorf("it goes on after %v", err)
	}
}

// TestBatchSize: what a batch takes counts its histograms, which are most of it where there
// are any.
func TestBatchSize(t *testing.T) {
	h := &nativehist.Sparse{PositiveBuckets: make([]int32, 1000), PositiveCounts: make([]float64, 1000)}
	size := func(h *nativehist.Sparse) int64 {
		rows := []progress.Row{{Columns: []string{"a"}, Histogram: h}}
		return newBatch(cut{0}, &page{stands: make([]changelog.Stand, 1), changes: [][]changelog.Change{{{Rows: rows}}}}, time.Now()).size
	}
	if with, without := size(h), size(nil); with < without+12_000 {
		t.Errorf("a batch with 1,000 buckets takes %d bytes, without them %d", with, without)
	}
}
