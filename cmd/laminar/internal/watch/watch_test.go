package watch

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"laminar/client"
	"laminar/client/wire"
)

// TestReached: it goes by the windows that are closed, whatever samples are known.
func TestReached(t *testing.T) {
	at := func(minute int) *time.Time { m := time.Unix(int64(60*minute), 0).UTC(); return &m }
	w := Watch{Until: *at(10)}
	for _, c := range []struct {
		p    *wire.Progress
		want bool
	}{
		{nil, false},
		{&wire.Progress{Watermark: at(12), Closed: at(9)}, false},
		{&wire.Progress{Watermark: at(12)}, false},
		{&wire.Progress{Watermark: at(9), Closed: at(10)}, true},
		{&wire.Progress{Closed: at(11), Snapshot: true}, false},
	} {
		if got := w.reached(c.p); got != c.want {
			t.Errorf("%+v: %v", c.p, got)
		}
	}
	if (&Watch{}).reached(&wire.Progress{Closed: at(10)}) {
		t.Error("one that has no end has reached it")
	}
}

// TestLines: a program that reads lines is told what the columns of rows are before rows
// come, and again after a reset, of each source.
func TestLines(t *testing.T) {
	flows := []wire.Flow{{Flow: "f", Columns: []string{"a"}, Static: map[string]string{}}}
	rows := []wire.Rows{{Type: wire.TypeRows, Flow: "f", Rows: [][]string{{"x", "1"}}}}
	var out bytes.Buffer
	w := Watch{JSON: true, Out: &out}
	for _, b := range []client.Batch{
		{Source: "s", Flows: flows, Rows: rows}, {Source: "s", Flows: flows, Rows: rows}, {Source: "other", Flows: flows, Reset: true, Reason: client.ReasonStart},
		{Source: "s", Flows: flows, Reset: true, Reason: wire.ResetFlows, Rows: rows},
	} {
		if err := w.print(b); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		source, rest, _ := strings.Cut(strings.TrimPrefix(line, `{"source":"`), `"`)
		kind, _, _ := strings.Cut(strings.TrimPrefix(rest, `,"message":{"type":"`), `"`)
		got = append(got, source+" "+kind)
	}
	if text := strings.Join(got, ","); text != "s hello,s rows,s rows,other reset,other hello,s reset,s hello,s rows" {
		t.Errorf("it prints %s", text)
	}
}
