package subscribe

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/client/wire"
	"laminar/flownode/changelog"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// world is flows with their rows and their log, in memory: what the port is specified to
// show, as simply as can be. Every snapshot is a copy.
type world struct {
	mu    sync.Mutex
	flows map[progress.FlowID]*worldFlow
	past  map[string]state // what the flows held at each combination of positions
	fail  error            // what snapshots fail with
	most  int              // flows whose rows one snapshot was asked for
}

// worldFlow is a flow. Its rows and log are replaced and not changed, so snapshots share them.
type worldFlow struct {
	changelog.Flow
	rows map[rowID]progress.Row
	log  []entry
}

type rowID struct {
	end sequence.Time
	key string
}

type entry struct {
	position changelog.Position
	end      sequence.Time
	closed   bool
	keys     [][]string
}

// state is the rows of all flows, by a text that names them: those of closed windows, and of
// all.
type state struct{ closed, all map[string]string }

const minute = sequence.Time(60_000)

// definitions are flows of two fence groups: with labels by column, static ones, and in one
// column.
const definitions = `
groups:
  - name: web
    interval: 1m
    rules:
      - record: job:requests:rate5m
        expr: sum by (code, job) (rate(requests_total[5m]))
      - record: latency:p
        expr: max by (job) (max_over_time(latency[5m]))
        labels: {quantile: "0.99"}
  - name: other
    interval: 1m
    rules:
      - record: everything:last
        expr: last_over_time(m[5m])
`

func newWorld(t testing.TB) *world {
	t.Helper()
	flows, problems := flowfile.Parse("rules.yaml", []byte(definitions))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	w := &world{flows: map[progress.FlowID]*worldFlow{}, past: map[string]state{}}
	for i, def := range flows {
		w.flows[progress.FlowID(i+11)] = newWorldFlow(progress.FlowID(i+11), def, uint32(i+1))
	}
	w.note()
	return w
}

func newWorldFlow(id progress.FlowID, def flowdef.Flow, life uint32) *worldFlow {
	f := &worldFlow{rows: map[rowID]progress.Row{}}
	f.Def, f.Stand.Flow, f.EmittedUntil, f.Watermark = def, id, 100*minute, 100*minute
	f.Vector = sequence.Vector{1: 1}
	binary.BigEndian.PutUint32(f.Incarnation[:], life)
	return f
}

// change commits to some flows at once. The vector of all flows moves.
func (w *world) change(fn func(id progress.FlowID, f *worldFlow) []entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(w.flows)) {
		f := *w.flows[id]
		f.rows = maps.Clone(f.rows)
		f.Vector = sequence.Vector{1: f.Vector[1] + 1}
		if entries := fn(id, &f); len(entries) > 0 {
			f.Position++
			for i := range entries {
				entries[i].position = f.Position
			}
			f.log = append(slices.Clip(f.log), entries...)
		}
		w.flows[id] = &f
	}
	w.note()
}

// note remembers what the flows hold. The lock is held, or no one else is there.
func (w *world) note() {
	if w.past == nil {
		return
	}
	var p wire.Position
	st := state{map[string]string{}, map[string]string{}}
	for _, id := range slices.Sorted(maps.Keys(w.flows)) {
		f := w.flows[id]
		p = append(p, wire.FlowPosition{Flow: int32(id), Incarnation: life(f.Incarnation), Number: int64(f.Position)})
		for at, row := range f.rows {
			name := fmt.Sprintf("%s %d %q", f.Def.Title(), at.end, row.Columns)
			st.all[name] = fmt.Sprint(row.Value)
			if at.end <= f.EmittedUntil {
				st.closed[name] = fmt.Sprint(row.Value)
			}
		}
	}
	w.past[p.String()] = st
}

// upset writes random rows, deletes others, closes windows, in a random part of the flows.
func (w *world) upset(rng *rand.Rand) {
	closing := rng.IntN(3) == 0
	w.change(func(_ progress.FlowID, f *worldFlow) (out []entry) {
		touched := map[sequence.Time]*entry{}
		note := func(end sequence.Time) *entry {
			if touched[end] == nil {
				touched[end] = &entry{end: end}
			}
			return touched[end]
		}
		for range rng.IntN(6) {
			// The open window most of all, and late rows of old ones.
			end := f.EmittedUntil + minute
			if rng.IntN(3) == 0 {
				end -= sequence.Time(rng.IntN(12)) * minute
			}
			columns := randomColumns(rng, f.Def)
			at := rowID{end, progress.RowKey(columns)}
			if _, there := f.rows[at]; there && rng.IntN(3) == 0 {
				delete(f.rows, at)
			} else {
				f.rows[at] = progress.Row{Columns: columns, Value: float64(rng.IntN(1000)) / 8}
			}
			e := note(end)
			e.keys = append(e.keys, columns)
		}
		if closing {
			for range 1 + rng.IntN(3) {
				f.EmittedUntil += minute
				note(f.EmittedUntil).closed = true
			}
			f.Watermark = f.EmittedUntil
		}
		for _, e := range touched {
			out = append(out, *e)
		}
		return out
	})
}

// randomColumns is the labels of one of a few rows, some of which need escapes.
func randomColumns(rng *rand.Rand, def flowdef.Flow) []string {
	layout := flowdef.NewLayout(def)
	pick := func() string { return []string{"a", "b", `"q\`, "ü\n", "<&>"}[rng.IntN(5)] }
	if !layout.PerLabel {
		return []string{fmt.Sprintf(`{"job":%s}`, wire.AppendString(nil, pick()))}
	}
	out := make([]string, len(layout.Names))
	for i, name := range layout.Names {
		out[i] = pick()
		if name == "quantile" {
			out[i] = "0.99"
		}
	}
	return out
}

// prune forgets the changes of a flow up to a position.
func (w *world) prune(id progress.FlowID, to changelog.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := *w.flows[id]
	f.Floor = max(f.Floor, min(to, f.Position))
	f.log = slices.DeleteFunc(slices.Clone(f.log), func(e entry) bool { return e.position <= f.Floor })
	w.flows[id] = &f
}

// rebuild begins a flow's table anew.
func (w *world) rebuild(id progress.FlowID, life uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.flows[id]
	f := newWorldFlow(id, old.Def, life)
	f.EmittedUntil, f.Watermark, f.Vector = old.EmittedUntil, old.Watermark, old.Vector
	w.flows[id] = f
	w.note()
}

func (w *world) remove(id progress.FlowID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.flows, id)
}

// at is what the flows held at a position.
func (w *world) at(position string) (state, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	st, known := w.past[position]
	return st, known
}

// Snapshot is a copy.
func (w *world) Snapshot(context.Context) (Snapshot, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return worldSnapshot{maps.Clone(w.flows), w, map[progress.FlowID]bool{}}, w.fail
}

type worldSnapshot struct {
	flows  map[progress.FlowID]*worldFlow
	world  *world
	looked map[progress.FlowID]bool // whose rows were asked for
}

func (s worldSnapshot) Close(context.Context) error { return nil }

// look is the flow, whose rows are asked for.
func (s worldSnapshot) look(id progress.FlowID) *worldFlow {
	s.looked[id] = true
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	s.world.most = max(s.world.most, len(s.looked))
	return s.flows[id]
}

func (s worldSnapshot) Named(_ context.Context, names []string) (out []changelog.Flow, err error) {
	for _, name := range names {
		before := len(out)
		for _, id := range slices.Sorted(maps.Keys(s.flows)) {
			if f := s.flows[id]; f.Def.Title() == name || f.Def.Named(name) {
				out = append(out, f.Flow)
			}
		}
		if len(out) == before {
			return nil, progress.UnknownFlow(name, nil)
		}
	}
	return out, nil
}

func (s worldSnapshot) OfGroups(_ context.Context, groups []string) (out []changelog.Flow, err error) {
	for _, id := range slices.Sorted(maps.Keys(s.flows)) {
		if f := s.flows[id]; slices.ContainsFunc(groups, func(g string) bool { return strings.HasSuffix(f.Def.Group, g) }) {
			out = append(out, f.Flow)
		}
	}
	return out, nil
}

func (s worldSnapshot) Stands(_ context.Context, ids []progress.FlowID) (out []changelog.Stand, err error) {
	for _, id := range ids {
		if f := s.flows[id]; f != nil {
			out = append(out, f.Stand)
		}
	}
	return out, nil
}

func (s worldSnapshot) OldestResult(_ context.Context, id progress.FlowID) (sequence.Time, error) {
	oldest := sequence.NoTime
	for at := range s.look(id).rows {
		if oldest == sequence.NoTime || at.end < oldest {
			oldest = at.end
		}
	}
	return oldest, nil
}

func (s worldSnapshot) Changes(_ context.Context, id progress.FlowID, after changelog.Position, ends sequence.Time, windows, rows int) ([]changelog.Change, bool, error) {
	f := s.look(id)
	merged, seen := map[sequence.Time]*changelog.Change{}, map[rowID]bool{}
	for _, e := range f.log {
		if e.position <= after || e.end <= ends {
			continue
		}
		c := merged[e.end]
		if c == nil {
			c = &changelog.Change{End: e.end}
			merged[e.end] = c
		}
		c.Closed = c.Closed || e.closed
		for _, columns := range e.keys {
			at := rowID{e.end, progress.RowKey(columns)}
			if seen[at] {
				continue
			}
			seen[at] = true
			if row, there := f.rows[at]; there {
				c.Rows = append(c.Rows, row)
			} else {
				c.Gone = append(c.Gone, columns)
			}
		}
	}
	for _, c := range merged {
		if c.Closed {
			*c = s.whole(f, c.End)
			c.Closed = true
		}
	}
	return paged(merged, windows, rows)
}

func (s worldSnapshot) Rows(_ context.Context, id progress.FlowID, ends sequence.Span, windows, rows int) ([]changelog.Change, bool, error) {
	f := s.look(id)
	found := map[sequence.Time]*changelog.Change{}
	for at := range f.rows {
		if ends.Holds(at.end) && found[at.end] == nil {
			c := s.whole(f, at.end)
			found[at.end] = &c
		}
	}
	return paged(found, windows, rows)
}

func (s worldSnapshot) whole(f *worldFlow, end sequence.Time) changelog.Change {
	c := changelog.Change{End: end, Whole: true}
	for at, row := range f.rows {
		if at.end == end {
			c.Rows = append(c.Rows, row)
		}
	}
	return c
}

// paged is the first windows, as the port bounds them.
func paged(found map[sequence.Time]*changelog.Change, windows, rows int) (out []changelog.Change, more bool, err error) {
	for _, end := range slices.SortedFunc(maps.Keys(found), cmp.Compare) {
		if windows <= 0 || rows <= 0 {
			return out, true, nil
		}
		c := *found[end]
		out = append(out, c)
		windows, rows = windows-1, rows-len(c.Rows)-len(c.Gone)
	}
	return out, false, nil
}

// systemBuffer is about what the system holds of what was written to one connection, bytes.
const systemBuffer = 32 << 10

// served is a hub over a world, behind HTTP.
func served(t testing.TB, w *world, lim limits, maxStreams int) (*Hub, string) {
	t.Helper()
	return servedWith(t, w, lim, maxStreams, time.Minute, usualTimes)
}

// servedWith is served with another time in which clients have to read, and other ones of
// streams.
func servedWith(t testing.TB, w *world, lim limits, maxStreams int, timeout time.Duration, times times) (*Hub, string) {
	t.Helper()
	h := New(Config{
		Store: w, MaxStreams: maxStreams, Buffer: DefaultBuffer, WriteTimeout: timeout, Who: func(r *http.Request) string { return r.Header.Get("X-Who") },
		Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	h.limits, h.times = lim, times
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	server := httptest.NewUnstartedServer(h)
	// The system would hold up to 4 MiB for who does not read.
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if err := c.(*net.TCPConn).SetWriteBuffer(systemBuffer); err != nil {
			t.Error(err)
		}
		return ctx
	}
	server.Start()
	t.Cleanup(func() {
		cancel()
		<-ended
		server.Close()
	})
	await(t, func() bool { return h.context() != nil })
	return h, server.URL
}

// ids is all flows of the world.
func (w *world) ids() []progress.FlowID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.flows))
}

type progressID = progress.FlowID

func rowKeyOf(columns []string) string { return progress.RowKey(columns) }

func rowOf(columns []string, value float64) progress.Row {
	return progress.Row{Columns: columns, Value: value}
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
