package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"strings"

	"github.com/jackc/pgx/v5"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/flownode/flowdef"
	"laminar/flownode/promeval"
)

// keptRows is the windows that cannot be rebuilt any more, as they were when
// their samples were given up: flow -> window end -> label columns -> value.
type keptRows map[string]map[int64]map[string]float64

// retain lets retention give up the first day. Everything is at rest, so the
// windows that cannot be rebuilt afterwards are right, and must stay (I6).
func (h *history) retain() {
	for h.clock < h.border+retainAfter {
		h.clock += retainAfter / 4
		h.deliver("scrape", h.scrape(0, 1))
	}
	h.settle()
	h.note("retain")
	ctx := h.t.Context()
	report, err := h.store.Keeper.Retain(ctx, h.border)
	if err != nil {
		h.t.Fatal(err)
	}
	if report.Earliest != h.border {
		h.t.Fatalf("retention keeps samples from %d on, asked for %d", report.Earliest, h.border)
	}
	h.giveUp(h.border)
	h.kept = keptRows{}
	for _, f := range h.flows {
		stored, err := laminartest.StoredRows(ctx, h.pool, f)
		if err != nil {
			h.t.Fatal(err)
		}
		maps.DeleteFunc(stored, func(end int64, _ map[string]float64) bool { return h.rebuildable(f, end) })
		h.kept[f.Name] = stored
	}
}

// rebuildable reports whether all samples that a window reads are still there.
func (h *history) rebuildable(f flowdef.Flow, end int64) bool {
	return h.earliest == 0 || end-f.Expr.MaxReach >= h.earliest-1
}

// peek holds the tables against what their own snapshot shows, in the middle
// of everything.
func (h *history) peek() {
	h.note("peek")
	n := h.checkTables(false)
	h.compared += n
	h.inPassing += n
}

// flowStand is where a flow is, as one snapshot shows it.
type flowStand struct {
	current bool // its vector is where the regions are
	emitted int64
	err     string
	dirty   map[int64]bool // ends of the windows on its dirty list
}

// checkTables compares, in one snapshot, the closed windows that are not on a
// dirty list with what the engine makes of the samples in that snapshot, for
// the flows that have read them all (I3, I4). At rest those are all flows and
// all windows. It returns how many windows there were.
func (h *history) checkTables(atRest bool) (windows int) {
	h.t.Helper()
	ctx := h.t.Context()
	tx, err := h.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		h.t.Fatal(err)
	}
	defer tx.Rollback(ctx)
	stands, err := readStands(ctx, tx)
	if err != nil {
		h.t.Fatal(err)
	}
	raw, err := h.readView(ctx, tx)
	if err != nil {
		h.t.Fatal(err)
	}
	samples := h.engineSamples(raw)
	engine := promeval.New()
	for _, f := range h.flows {
		stand := stands[f.Name]
		if stand.err != "" {
			h.t.Fatalf("flow %s: %s", f.Name, stand.err)
		}
		if atRest && (!stand.current || len(stand.dirty) > 0) {
			h.t.Fatalf("flow %s is not at rest: %+v", f.Name, stand)
		}
		if !stand.current || stand.emitted < 0 || len(samples) == 0 {
			continue
		}
		stored, err := laminartest.StoredRows(ctx, tx, f)
		if err != nil {
			h.t.Fatal(err)
		}
		first := h.first - h.first%f.Every
		if stand.emitted < first {
			continue
		}
		vectors, err := engine.WholeRange(ctx, f.PromQL, samples, first, stand.emitted, f.Every)
		if err != nil {
			h.t.Fatal(err)
		}
		for i, vec := range vectors {
			end := first + int64(i)*f.Every
			if h.rebuildable(f, end) && !stand.dirty[end] {
				windows++
				h.checkWindow(f, end, stored[end], vec)
			}
		}
		h.checkElsewhere(f, stand, stored)
	}
	if h.t.Failed() {
		h.t.FailNow()
	}
	return windows
}

// readStands is where all flows are.
func readStands(ctx context.Context, tx pgx.Tx) (map[string]flowStand, error) {
	rows, err := tx.Query(ctx, `select name, coalesce(emitted_until, -1), coalesce(error, ''),
		vector = (select coalesce(jsonb_object_agg(id::text, last_seq), '{}') from region where last_seq > 0),
		array(select distinct window_end from flow_dirty d where d.flow_id = f.id) from flow f`)
	if err != nil {
		return nil, err
	}
	out := map[string]flowStand{}
	var name string
	var s flowStand
	var dirty []int64
	_, err = pgx.ForEachRow(rows, []any{&name, &s.emitted, &s.err, &s.current, &dirty}, func() error {
		s.dirty = map[int64]bool{}
		for _, end := range dirty {
			s.dirty[end] = true
		}
		out[name] = s
		return nil
	})
	return out, err
}

// checkWindow compares one window with the engine.
func (h *history) checkWindow(f flowdef.Flow, end int64, stored map[string]float64, want promeval.Vector) {
	h.t.Helper()
	layout := flowdef.NewLayout(f)
	bad := len(stored) != len(want)
	expect := map[string]float64{}
	for _, s := range want {
		key := strings.Join(layout.Row(s.Metric), "\xff")
		expect[key] = s.Value
		v, ok := stored[key]
		bad = bad || !ok || !nearTorture(v, s.Value)
	}
	if bad {
		h.t.Errorf("%s, window ending %d (%s after the start): stored %v, the engine says %v", f.Name, end, seconds3(end-h.first), stored, expect)
	}
}

// checkElsewhere looks at the rows of windows that the engine is not asked for:
// beyond the open window there are none, and those that cannot be rebuilt are
// as they were.
func (h *history) checkElsewhere(f flowdef.Flow, stand flowStand, stored map[int64]map[string]float64) {
	h.t.Helper()
	for end, rows := range stored {
		if end > stand.emitted+f.Every {
			h.t.Errorf("%s: window ending %d has rows, the last that is closed ends %d", f.Name, end, stand.emitted)
		}
		if !h.rebuildable(f, end) && !maps.EqualFunc(rows, h.kept[f.Name][end], same) {
			h.t.Errorf("%s: window ending %d, whose samples are gone, changed from %v to %v", f.Name, end, h.kept[f.Name][end], rows)
		}
	}
	for end, rows := range h.kept[f.Name] {
		if len(rows) > 0 && stored[end] == nil {
			h.t.Errorf("%s: window ending %d, whose samples are gone, is gone as well: it held %v", f.Name, end, rows)
		}
	}
}

// nearTorture is the design's bound for terms up to some thousands.
func nearTorture(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-9*(1e4+math.Abs(b))
}

func seconds3(ms int64) string { return fmt.Sprintf("%.3f s", float64(ms)/1000) }
