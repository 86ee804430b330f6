package subscribe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"laminar/client"
	"laminar/client/wire"
)

// flood writes so many rows of the open window anew, in one commit.
func flood(w *world, rows int, value float64) {
	w.change(func(_ progressID, f *worldFlow) []entry {
		if f.Stand.Flow != 11 {
			return nil
		}
		end := f.EmittedUntil + minute
		out := entry{end: end}
		for i := range rows {
			columns := []string{fmt.Sprint(i), "api"}
			f.rows[rowID{end, rowKeyOf(columns)}] = rowOf(columns, value)
			out.keys = append(out.keys, columns)
		}
		return []entry{out}
	})
}

// slowly opens a stream by hand over a connection with small buffers, of which nothing is
// read.
func slowly(t *testing.T, base, query string) net.Conn {
	t.Helper()
	address := strings.TrimPrefix(base, "http://")
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET /api/v1/subscribe?%s HTTP/1.1\r\nHost: x\r\n\r\n", query); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestSlowReaderHoldsUpNobody: one who reads a byte a second has a stream that is stuck, and
// a hundred beside it get every commit all the same. The server would wait for it for an
// hour, so whoever waited for it would not come to the end.
func TestSlowReaderHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	w.past = nil
	const rows, fast = 500, 100
	flood(w, rows, 0)
	lim := usualLimits
	lim.batches = 2
	h, base := servedWith(t, w, lim, 2*fast, time.Hour, usualTimes)
	var (
		readers sync.WaitGroup
		got     = make(chan time.Time, fast)
	)
	for range fast {
		_, lines := get(t, base, "flow=job:requests:rate5m&provisional=true&from=none")
		readers.Go(func() {
			// Without reading what is in the lines: it is about the server.
			for changed := false; ; {
				text, err := lines.ReadSlice('\n')
				switch {
				case err != nil && !errors.Is(err, bufio.ErrBufferFull):
					return
				case bytes.HasPrefix(text, []byte(`{"type":"rows"`)):
					changed = true
				case bytes.HasPrefix(text, []byte(`{"type":"progress"`)) && changed:
					changed = false
					got <- time.Now()
				}
			}
		})
	}
	await(t, func() bool { return testutil.ToFloat64(h.metrics.streams) == fast })
	// How long a commit takes to reach the last of the fast ones.
	round := func(value float64) time.Duration {
		began := time.Now()
		flood(w, rows, value)
		h.Changed([]progressID{11})
		var last time.Time
		for range fast {
			select {
			case last = <-got:
			case <-time.After(3 * time.Minute):
				t.Fatal("a commit does not reach those who read fast")
			}
		}
		return last.Sub(began)
	}
	median := func(of []time.Duration) time.Duration { slices.Sort(of); return of[len(of)/2] }
	var alone, beside []time.Duration
	for i := range 20 {
		alone = append(alone, round(float64(1+i)))
	}
	conn := slowly(t, base, "flow=job:requests:rate5m&provisional=true&from=none")
	stop := make(chan struct{})
	readers.Go(func() {
		one := make([]byte, 1)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
				_, _ = conn.Read(one)
			}
		}
	})
	await(t, func() bool { return testutil.ToFloat64(h.metrics.streams) == fast+1 })
	// Many times what the buffers of the connection hold.
	var sent int
	for i := 0; sent < 16*systemBuffer; i++ {
		beside = append(beside, round(float64(1000+i)))
		sent += rows * len(`["1000","api","1000"],`)
	}
	close(stop)
	t.Logf("median of %d commits alone: %s, of %d beside a slow reader: %s", len(alone), median(alone), len(beside), median(beside))
	if n := testutil.ToFloat64(h.metrics.streams); n != fast+1 {
		t.Errorf("%v streams: the slow one is gone", n)
	}
	_ = conn.Close()
	h.cfg.Store.(*world).remove(11) // all streams end
	h.Look()
	readers.Wait()
}

// TestSlowReaderIsEnded: who does not read in time is cut off, and goes on from the last
// position that it has read, as if nothing had been.
func TestSlowReaderIsEnded(t *testing.T) {
	w := newWorld(t)
	w.past = nil
	flood(w, 2000, 0)
	h, base := servedWith(t, w, usualLimits, 100, 2*time.Second, usualTimes)
	// It reads up to the first position, and then nothing more.
	const mark = `{"type":"progress","position":"`
	var lines *bufio.Reader
	position := ""
	// read reads the next line, and notes the position that it may hold.
	read := func() error {
		text, err := lines.ReadString('\n')
		if rest, found := strings.CutPrefix(text, mark); found && err == nil {
			position, _, _ = strings.Cut(rest, `"`)
		}
		return err
	}
	slow := h.metrics.closed.WithLabelValues("slow")
	await(t, func() bool { // who stands still with a busy machine is cut off before
		lines = bufio.NewReaderSize(slowly(t, base, "flow=job:requests:rate5m&provisional=true&from=all"), 256)
		for position == "" && read() == nil {
		}
		return position != ""
	})
	before := testutil.ToFloat64(slow)
	value := 1.0
	await(t, func() bool {
		value++
		flood(w, 2000, value)
		h.Changed([]progressID{11})
		return testutil.ToFloat64(slow) > before
	})
	// It reads what has come to it: the rest is lost with the connection.
	for read() == nil {
	}
	if _, err := wire.ParsePosition(position); err != nil {
		t.Fatal(err)
	}
	stream := client.Open(client.Source{URLs: []string{base}, Flows: []string{"job:requests:rate5m"}, Provisional: true, From: "none", After: position, MaxRows: math.MaxInt})
	defer stream.Close()
	for {
		batch, err := stream.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if batch.Reset {
			t.Fatalf("it begins again: %s", batch.Reason)
		}
		for _, r := range batch.Rows {
			for _, row := range r.Rows {
				if row[2] == fmt.Sprint(value) {
					return // it has come up to the last commit
				}
			}
		}
	}
}
