package subscribe

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"laminar/client"
	"laminar/client/wire"
	"laminar/flownode/flowdef"
	"laminar/leaktest"
	"laminar/sequence"
)

func TestMain(m *testing.M) {
	leaktest.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// await waits until something holds.
func await(t testing.TB, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come to hold")
		}
	}
}

// tiny makes everything happen often: pages of a few rows, rings of two batches.
var tiny = limits{page: room{flows: 2, windows: 3, rows: 5}, batch: room{flows: 3, windows: 8, rows: 20}, batches: 2}

// copyOf is a client's table in the words of the world.
func copyOf(table *client.Table) map[string]string {
	out := map[string]string{}
	table.Rows("", func(w client.Key, labels []string, value string) {
		out[fmt.Sprintf("%s %d %q", w.Flow, w.End.UnixMilli(), labels)] = value
	})
	return out
}

// TestEqualAtEveryPosition: while flows change, lose their logs and are built again, clients
// come and go, with rows of a page stored and no position, and go on from the position that
// they have stored. At every position that is no longer a snapshot their copy is what the
// flows held there.
func TestEqualAtEveryPosition(t *testing.T) {
	w := newWorld(t)
	h, base := served(t, w, tiny, 100)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var (
		clients sync.WaitGroup
		mu      sync.Mutex
		at      = make([]string, 8) // where each client is
		checked int
		resets  = map[string]int{}
	)
	for n := range at {
		rng := rand.New(rand.NewPCG(uint64(n), 1))
		source := client.Source{URLs: []string{base}, Groups: []string{"web", "other"}, From: "all", Provisional: n%2 == 0, MaxRows: 1 + n*3}
		clients.Go(func() {
			var table client.Table
			stream := client.Open(source)
			defer func() { stream.Close() }()
			for {
				batch, err := stream.Next(ctx)
				if err != nil {
					if ctx.Err() == nil {
						t.Error(err)
					}
					return
				}
				table.Apply(batch)
				mu.Lock()
				if batch.Reset {
					resets[batch.Reason]++
				}
				if batch.Position != "" {
					at[n] = batch.Position
				}
				mu.Unlock()
				if batch.Progress != nil && !batch.Progress.Snapshot {
					held, known := w.at(batch.Position)
					want := held.closed
					if source.Provisional {
						want = held.all
					}
					if got := copyOf(&table); !known || !maps.Equal(got, want) {
						t.Errorf("client %d at %s (known: %v):\n%v\nwant\n%v", n, batch.Position, known, got, want)
						cancel()
						return
					}
					mu.Lock()
					checked++
					mu.Unlock()
				}
				// It is killed, and has stored all of this. In the middle of a snapshot rarely: it
				// would begin again and again.
				if often := 20; batch.Position != "" && rng.IntN(often) == 0 || rng.IntN(20*often) == 0 {
					stream.Close()
					source.After = stream.Position()
					stream = client.Open(source)
				}
				if rng.IntN(30) == 0 { // it is slow
					time.Sleep(time.Duration(rng.IntN(30)) * time.Millisecond)
				}
			}
		})
	}
	rng := rand.New(rand.NewPCG(3, 4))
	ids := w.ids()
	enough := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return checked >= 50 && resets[wire.ResetRebuilt] > 0 && resets[wire.ResetRetention] > 0
	}
	deadline := time.Now().Add(5 * time.Minute)
	for i := 0; i < 160 || !enough() && ctx.Err() == nil && time.Now().Before(deadline); i++ {
		if i >= 160 {
			time.Sleep(50 * time.Millisecond) // clients of a busy machine, which only begin anew, catch up
		}
		switch {
		case i%97 == 96:
			w.rebuild(ids[rng.IntN(len(ids))], uint32(1000+i))
		case i%41 == 40:
			id := ids[rng.IntN(len(ids))]
			w.prune(id, 1<<40)
		default:
			w.upset(rng)
		}
		h.Changed(ids)
		time.Sleep(time.Duration(rng.IntN(6)) * time.Millisecond)
	}
	last := func() string {
		snap, _ := w.Snapshot(ctx)
		flows, _ := snap.OfGroups(ctx, []string{"web", "other"})
		s, err := newSet(flows)
		if err != nil {
			t.Fatal(err)
		}
		stands, _ := snap.Stands(ctx, s.ids)
		return s.position(cutAt(stands)).String()
	}()
	await(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		for _, p := range at {
			if p != last && ctx.Err() == nil {
				return false
			}
		}
		return true
	})
	cancel()
	clients.Wait()
	t.Log(checked, "comparisons;", resets)
	if !enough() {
		t.Errorf("%d comparisons, resets %v: too little happened", checked, resets)
	}
}

// answer is how an answer begins; what follows is read by itself.
type answer struct {
	StatusCode int
	Header     http.Header
	end        func() // closes it, also before its end
}

// get opens a stream by hand. It ends with the test.
func get(t *testing.T, base, query string, header ...string) (answer, *bufio.Reader) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/api/v1/subscribe?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	end := func() { _ = resp.Body.Close() }
	t.Cleanup(end)
	return answer{resp.StatusCode, resp.Header, end}, bufio.NewReader(resp.Body)
}

// line is the next message of a stream of lines.
func line(t *testing.T, from *bufio.Reader) wire.Message {
	t.Helper()
	text, err := from.ReadBytes('\n')
	if err != nil {
		t.Fatalf("%q, %v", text, err)
	}
	m, err := wire.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// one commits one row of the first flow.
func one(w *world, end sequence.Time, value float64) {
	first := true
	w.change(func(_ progressID, f *worldFlow) []entry {
		if !first {
			return nil
		}
		first = false
		columns := []string{"200", "api"}
		f.rows[rowID{end, rowKeyOf(columns)}] = rowOf(columns, value)
		return []entry{{end: end, keys: [][]string{columns}}}
	})
}

const firstFlow = "flow=job:requests:rate5m"

// TestForms: the same subscription as lines and as events; only progress has an id, and a
// browser that comes back with it goes on.
func TestForms(t *testing.T) {
	w := newWorld(t)
	one(w, 99*minute, 12.5)
	_, base := served(t, w, usualLimits, 10)
	resp, lines := get(t, base, firstFlow+"&from=all")
	if got := resp.Header.Get("Content-Type") + resp.Header.Get("Cache-Control") + resp.Header.Get("X-Accel-Buffering"); got != "application/x-ndjsonno-storeno" {
		t.Errorf("headers %s", got)
	}
	hello := line(t, lines).Hello
	if hello == nil || hello.Protocol != 1 || len(hello.Flows) != 1 || strings.Join(hello.Flows[0].Columns, ",") != "code,job" || hello.Flows[0].Every != 60_000 {
		t.Errorf("hello is %+v", hello)
	}
	rows := line(t, lines).Rows
	if rows == nil || !rows.Final || !rows.Whole || fmt.Sprint(rows.Rows) != "[[200 api 12.5]]" || rows.WindowEnd.UnixMilli() != 99*minute || rows.WindowEnd.Sub(rows.WindowStart) != 5*time.Minute {
		t.Errorf("rows are %+v", rows)
	}
	progress := line(t, lines).Progress
	if progress == nil || progress.Snapshot || progress.Position != "11.00000001.1" || progress.Vector["1"] != 2 {
		t.Errorf("progress is %+v", progress)
	}

	resp, events := get(t, base, firstFlow+"&from=all", "Accept", "text/event-stream")
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("events come as %s", got)
	}
	read := func(n int) (out []string) {
		for len(out) < n {
			text, err := events.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if name, value, _ := strings.Cut(strings.TrimSuffix(text, "\n"), ": "); name == "event" || name == "id" {
				out = append(out, name+" "+value)
			}
		}
		return out
	}
	if got := strings.Join(read(4), ","); got != "event hello,event rows,event progress,id 11.00000001.1" {
		t.Errorf("events are %s", got)
	}
	one(w, 99*minute, 13)
	_, events = get(t, base, firstFlow+"&from=all", "Accept", "text/event-stream", "Last-Event-ID", "11.00000001.1")
	// Where it stands is told first, then what is new.
	if got := strings.Join(read(6), ","); got != "event hello,event progress,id 11.00000001.1,event rows,event progress,id 11.00000001.2" {
		t.Errorf("after coming back: %s", got)
	}
}

// TestLongPoll: an answer that does not go on ends with the first progress that is new, and
// when nothing is, after the wait.
func TestLongPoll(t *testing.T) {
	w := newWorld(t)
	one(w, 99*minute, 1)
	h, base := served(t, w, usualLimits, 10)
	all := func(query string) []wire.Message {
		_, lines := get(t, base, query)
		var out []wire.Message
		for {
			text, err := lines.ReadBytes('\n')
			if errors.Is(err, io.EOF) {
				return out
			}
			if err != nil {
				t.Fatal(err)
			}
			m, err := wire.Decode(text)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, m)
		}
	}
	got := all(firstFlow + "&from=all&live=false")
	if len(got) != 3 || got[1].Rows == nil || got[2].Progress == nil {
		t.Fatalf("a snapshot is answered with %+v", got)
	}
	after := "&live=false&after=" + got[2].Progress.Position
	began := time.Now()
	if got := all(firstFlow + after + "&wait=100ms"); len(got) != 2 || got[1].Progress == nil || time.Since(began) < 100*time.Millisecond {
		t.Errorf("nothing new is answered with %+v after %s", got, time.Since(began))
	}
	// What is new already is answered at once, also without a hint.
	one(w, 99*minute, 2)
	began = time.Now()
	if got := all(firstFlow + after + "&wait=5m"); len(got) != 3 || fmt.Sprint(got[1].Rows.Rows) != "[[200 api 2]]" || got[1].Rows.Whole {
		t.Errorf("what is new is answered with %+v", got)
	}
	after = "&live=false&after=11.00000001.2"
	answered := make(chan []wire.Message)
	go func() { answered <- all(firstFlow + after + "&wait=5m") }()
	await(t, func() bool { tails := h.all(); return len(tails) == 1 && tails[0].ring.end() != nil })
	one(w, 99*minute, 3)
	h.Changed([]progressID{11})
	if got := <-answered; len(got) != 3 || fmt.Sprint(got[1].Rows.Rows) != "[[200 api 3]]" {
		t.Errorf("what comes while it waits is answered with %+v", got)
	}
	if time.Since(began) > time.Minute {
		t.Error("it has waited for its end")
	}
}

// TestFewTablesAtATime: a snapshot of the store is asked for the rows of a few flows only,
// however many are followed, in pages and in batches; kept comes of those that were read.
func TestFewTablesAtATime(t *testing.T) {
	w := newWorld(t)
	for _, id := range w.ids() {
		w.flows[id].Def.Keep = 24 * time.Hour.Milliseconds()
	}
	// write writes a row of some flows.
	write := func(value float64, ids ...progressID) {
		w.change(func(id progressID, f *worldFlow) []entry {
			if !slices.Contains(ids, id) {
				return nil
			}
			columns := []string{`{"job":"api"}`}
			if layout := flowdef.NewLayout(f.Def); layout.PerLabel {
				columns = make([]string, len(layout.Names))
			}
			f.rows[rowID{99 * minute, rowKeyOf(columns)}] = rowOf(columns, value)
			return []entry{{end: 99 * minute, keys: [][]string{columns}}}
		})
	}
	write(1, w.ids()...)
	lim := usualLimits
	lim.page.flows, lim.batch.flows = 1, 2
	h, base := served(t, w, lim, 10)
	_, lines := get(t, base, "group=web&group=other&from=all")
	// next is the flows of which rows come up to a progress that is no snapshot, and those of
	// which it says what is kept.
	next := func() (rows, kept map[string]bool) {
		rows, kept = map[string]bool{}, map[string]bool{}
		for {
			switch m := line(t, lines); {
			case m.Rows != nil:
				rows[m.Rows.Flow] = true
			case m.Progress != nil && !m.Progress.Snapshot:
				for title, end := range m.Progress.Kept {
					kept[title] = end.UnixMilli() == 99*minute
				}
				return rows, kept
			}
		}
	}
	for i, ids := range [][]progressID{w.ids(), w.ids(), w.ids()[:2], w.ids()[1:2]} {
		if i > 0 {
			write(float64(1+i), ids...)
			h.Changed(ids)
		}
		want := map[string]bool{}
		for _, id := range ids {
			want[w.flows[id].Def.Title()] = true
		}
		if rows, kept := next(); !maps.Equal(rows, want) || !maps.Equal(kept, want) {
			t.Errorf("change %d: rows of %v, kept %v, want %v", i, rows, kept, want)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.most > 2 {
		t.Errorf("one snapshot was asked for the rows of %d flows", w.most)
	}
}

// TestWhatIsAsked: selectors, provisional rows, the span of the snapshot, no snapshot.
func TestWhatIsAsked(t *testing.T) {
	w := newWorld(t)
	w.change(func(_ progressID, f *worldFlow) (out []entry) {
		if f.Stand.Flow != 11 {
			return nil
		}
		for i, end := range []sequence.Time{90 * minute, 100 * minute, 101 * minute} { // the last is open
			for _, job := range []string{"api", "web"} {
				columns := []string{fmt.Sprint(i), job}
				f.rows[rowID{end, rowKeyOf(columns)}] = rowOf(columns, float64(i))
				out = append(out, entry{end: end, keys: [][]string{columns}})
			}
		}
		return out
	})
	_, base := served(t, w, usualLimits, 10)
	for _, c := range []struct{ query, want string }{
		{"from=all", "0 api,0 web,1 api,1 web"},
		{"from=all&provisional=true", "0 api,0 web,1 api,1 web,2 api,2 web"},
		{"from=all&match[]={job=\"api\"}", "0 api,1 api"},
		{"from=all&match[]={job=\"api\",code=\"0\"}&match[]={job=~\"w.*\",code!=\"0\"}", "0 api,1 web"},
		{"from=all&match[]=another", ""},
		{"from=all&match[]=job:requests:rate5m", "0 api,0 web,1 api,1 web"},
		{"from=" + url.QueryEscape("1970-01-01T01:31:00Z"), "1 api,1 web"},
		{"from=all&to=" + url.QueryEscape("1970-01-01T01:31:00Z"), "0 api,0 web"},
		{"from=none", ""},
		{"", ""}, // the last hour
	} {
		_, lines := get(t, base, firstFlow+"&live=false&"+strings.NewReplacer("{", "%7B", "}", "%7D", `"`, "%22", "!", "%21", "~", "%7E", "[", "%5B", "]", "%5D").Replace(c.query))
		found := map[string]bool{}
		for m := line(t, lines); m.Progress == nil; m = line(t, lines) {
			if m.Rows != nil {
				for _, row := range m.Rows.Rows {
					found[row[0]+" "+row[1]] = true
				}
			}
		}
		if got := strings.Join(sorted(found), ","); got != c.want {
			t.Errorf("%s: %s, want %s", c.query, got, c.want)
		}
	}
}

// TestRefused: what is asked for wrongly is named, and what there is none of.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	_, base := served(t, w, usualLimits, 10)
	for _, c := range []struct {
		query string
		code  int
		text  string
	}{
		{"", 400, "flow"}, {"flow=x", 404, "x"}, {"group=x", 404, "no such flow"}, {firstFlow + "&after=1", 400, "after"},
		{firstFlow + "&from=never", 400, "from"}, {firstFlow + "&to=never", 400, "to"}, {firstFlow + "&live=perhaps", 400, "live"},
		{firstFlow + "&wait=5s", 400, "live"}, {firstFlow + "&live=false&wait=1h", 400, "wait"}, {firstFlow + "&match[]=(", 400, "match[]"},
		{firstFlow + "&form=x", 400, "form"}, {firstFlow + "&from=2026-01-02&to=2026-01-01", 400, "from"}, {firstFlow + "&%zz", 400, "query"},
	} {
		resp, body := get(t, base, c.query)
		var answer struct{ Status, ErrorType, Error string }
		text, _ := io.ReadAll(body)
		if err := json.Unmarshal(text, &answer); err != nil || resp.StatusCode != c.code || answer.Status != "error" || !strings.Contains(answer.Error, c.text) {
			t.Errorf("%q is answered %d %s, want %d with %s", c.query, resp.StatusCode, text, c.code, c.text)
		}
	}
	if resp, _ := get(t, base, firstFlow, "Accept", "text/html"); resp.StatusCode != 400 {
		t.Errorf("HTML is answered %d", resp.StatusCode)
	}
	w.mu.Lock()
	w.fail = fmt.Errorf("%w: host=10.1.2.3", sequence.ErrUnavailable)
	w.mu.Unlock()
	resp, body := get(t, base, firstFlow)
	if text, _ := io.ReadAll(body); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || strings.Contains(string(text), "10.1.2.3") {
		t.Errorf("without a database it is answered %d %s", resp.StatusCode, text)
	}
	w.mu.Lock()
	w.fail = nil
	w.mu.Unlock()
}

// TestPlaces: there are so many streams, of which one who asks has three quarters; who is
// refused is told when to come again, and a place is free when its stream has ended.
func TestPlaces(t *testing.T) {
	w := newWorld(t)
	h, base := served(t, w, usualLimits, 8)
	var open []answer
	ask := func(who string) int {
		resp, _ := get(t, base, firstFlow, "X-Who", who)
		if resp.StatusCode == 503 && resp.Header.Get("Retry-After") == "" {
			t.Error("it is not said when to come again")
		}
		open = append(open, resp)
		return resp.StatusCode
	}
	for range 6 {
		if code := ask("a"); code != 200 {
			t.Fatal(code)
		}
	}
	if got := []int{ask("a"), ask("b"), ask("b"), ask("b"), ask("a")}; fmt.Sprint(got) != "[503 200 200 503 503]" {
		t.Errorf("answered %v", got)
	}
	open[0].end()
	await(t, func() bool { h.mu.Lock(); defer h.mu.Unlock(); return h.streams == 7 })
	if code := ask("b"); code != 200 {
		t.Errorf("a place that is free is answered %d", code)
	}
}

// TestEnds: a stream is told why it ends, when the process does or the flow is deleted, and
// that what it has is void, when the table was built again.
func TestEnds(t *testing.T) {
	w := newWorld(t)
	one(w, 99*minute, 1)
	h, base := served(t, w, usualLimits, 10)
	_, lines := get(t, base, firstFlow+"&from=all")
	for line(t, lines).Progress == nil {
	}
	w.rebuild(11, 77)
	h.Changed([]progressID{11})
	if m := line(t, lines); m.Reset == nil || m.Reset.Reason != wire.ResetRebuilt {
		t.Errorf("after a rebuild: %+v", m)
	}
	if m := line(t, lines); m.Hello == nil {
		t.Errorf("after a reset: %+v", m)
	}
	if m := line(t, lines); m.Progress == nil || m.Progress.Position != "11.0000004d.0" {
		t.Errorf("after a reset: %+v", m)
	}
	_, of := get(t, base, firstFlow+"&after=11.00000001.1&from=all")
	if hello, reset := line(t, of), line(t, of); hello.Hello == nil || reset.Reset == nil || reset.Reset.Reason != wire.ResetRebuilt {
		t.Errorf("with a position of before: %+v, %+v", hello, reset)
	}
	_, of = get(t, base, "flow=latency:p&after=11.00000001.1")
	if hello, reset := line(t, of), line(t, of); hello.Hello == nil || reset.Reset == nil || reset.Reset.Reason != wire.ResetFlows {
		t.Errorf("with a position of another flow: %+v, %+v", hello, reset)
	}
	_, of = get(t, base, firstFlow+"&after=11.0000004d.9")
	if hello, reset := line(t, of), line(t, of); hello.Hello == nil || reset.Reset == nil || reset.Reset.Reason != wire.ResetAhead {
		t.Errorf("with a position that there is not: %+v, %+v", hello, reset)
	}
	w.remove(11)
	h.Look()
	if m := line(t, lines); m.Bye == nil || m.Bye.Reason != wire.ByeGone || m.Bye.Retry != 0 {
		t.Errorf("of a flow that is gone: %+v", m)
	}
	if _, err := lines.ReadByte(); err != io.EOF {
		t.Errorf("after bye: %v", err)
	}
}

// TestShutdown: when the hub ends, streams say bye, and new ones are told to come again.
func TestShutdown(t *testing.T) {
	w := newWorld(t)
	h, base := served(t, w, usualLimits, 10)
	_, lines := get(t, base, firstFlow)
	for line(t, lines).Progress == nil {
	}
	var second *bufio.Reader
	for {
		ctx, cancel := context.WithCancel(t.Context())
		h.mu.Lock()
		h.running = ctx // as Run has it
		h.mu.Unlock()
		_, second = get(t, base, firstFlow)
		for line(t, second).Progress == nil {
		}
		began := time.Now()
		cancel()
		if _, err := second.Peek(1); err == nil || time.Since(began) < hurried {
			break
		} // else the machine stood still for as long as a stream has to end
	}
	if m := line(t, second); m.Bye == nil || m.Bye.Reason != wire.ByeShutdown || m.Bye.Retry != 1000 {
		t.Errorf("at the end: %+v", m)
	}
	if resp, _ := get(t, base, firstFlow); resp.StatusCode != 503 {
		t.Errorf("after the end it is answered %d", resp.StatusCode)
	}
}
