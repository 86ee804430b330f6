package ownapi_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"laminar/flownode/partial/partialtest"
	"laminar/sequence"
	"laminar/server/view"
	"laminar/sqlstore/sqltest"
)

// stateFlow has a leaf of every kind of partial. Those over groups have slots that are
// groups.
const stateFlow = `flows:
  - name: all:kinds
    every: 1m
    backfill: all
    promql: >-
      sum by (r) (rate(requests_total[4m])) + sum by (r) (sum_over_time(requests_total[2m])) + sum by (r) (stddev_over_time(requests_total[2m]))
      + sum by (r) (last_over_time(requests_total[2m])) + sum by (r) (first_over_time(requests_total[2m])) + sum by (r) (irate(requests_total[2m]))
      + sum by (r) (changes(requests_total[2m])) + sum by (r) (deriv(requests_total[2m]))
`

// point is a sample of the recomputation.
type point struct {
	t int64
	v float64
}

// recomputed is what a partial of the kind holds of samples in time order, in plain words:
// fields that are not exact have no digits beyond the ninth.
func recomputed(kind string, s []point) map[string]string {
	at := func(p point) string { return view.FormatTime(p.t) }
	num := func(v float64) string { return view.FormatValue(v) }
	first, last := s[0], s[len(s)-1]
	count := strconv.Itoa(len(s))
	var sum, lost float64
	least, most := first.v, first.v
	changes, resets := 0, 0
	for i, p := range s {
		sum += p.v
		least, most = min(least, p.v), max(most, p.v)
		if i > 0 && p.v < s[i-1].v {
			lost += s[i-1].v
			resets++
		}
		if i > 0 && p.v != s[i-1].v {
			changes++
		}
	}
	mean := sum / float64(len(s))
	switch kind {
	case "counter":
		return map[string]string{"count": count, "first_t": at(first), "first": num(first.v), "last_t": at(last), "last": num(last.v), "lost": num(lost)}
	case "simple":
		return map[string]string{"count": count, "sum": num(sum), "min": num(least), "max": num(most)}
	case "moments":
		m2 := 0.0
		for _, p := range s {
			m2 += (p.v - mean) * (p.v - mean)
		}
		return map[string]string{"count": count, "mean": num(mean), "m2": num(m2)}
	case "last":
		return map[string]string{"last_t": at(last), "last": num(last.v)}
	case "first":
		return map[string]string{"first_t": at(first), "first": num(first.v)}
	case "pair":
		out := map[string]string{"last_t": at(last), "last": num(last.v)}
		if len(s) > 1 {
			out["before_t"], out["before"] = at(s[len(s)-2]), num(s[len(s)-2].v)
		}
		return out
	case "turns":
		return map[string]string{"count": count, "first": num(first.v), "last": num(last.v), "changes": strconv.Itoa(changes), "resets": strconv.Itoa(resets)}
	case "regression":
		return map[string]string{"count": count, "mean_y": num(mean)}
	}
	return nil
}

// sameField reports whether a field is what was recomputed, up to rounding.
func sameField(got, want string) bool {
	if got == want {
		return true
	}
	a, err := strconv.ParseFloat(got, 64)
	b, other := strconv.ParseFloat(want, 64)
	return err == nil && other == nil && partialtest.Close(a, b, 1e-9*max(1, math.Abs(a), math.Abs(b)))
}

// TestStateIsTheFoldOfItsSamples compares every partial in memory, and what a window
// merges to, with the raw samples up to the vector: some came late, some again with another
// value, and counters were reset.
func TestStateIsTheFoldOfItsSamples(t *testing.T) {
	w := newWorld(t, stateFlow)
	const flow = "all:kinds"
	w.caughtUp(flow, w.base+59*minute)
	rnd := rand.New(rand.NewPCG(17, 4))
	// One sample after another that is late, or there already; some reset the counter.
	for range 40 {
		p := sqltest.Points{Metric: w.metric, Unordered: true}
		for range 1 + rnd.IntN(4) {
			p.Series = append(p.Series, w.series[rnd.IntN(len(w.series))])
			p.Times = append(p.Times, w.base+50*minute+rnd.Int64N(40)*15*second+rnd.Int64N(2)*7*second)
			p.Values = append(p.Values, float64(rnd.IntN(4000)))
		}
		// Of one flush, each series and time once.
		if len(slices.Compact(slices.Sorted(slices.Values(p.Times)))) < len(p.Times) {
			continue
		}
		w.Flush(1, p)
	}
	var st view.StateSeen
	reads := func(done func(view.FlowPage) bool) func() bool {
		seq := w.newestSeq()
		return func() bool {
			st = get[view.StateSeen](w, "flow/state", "flow", flow, "limit", "10000")
			return st.Here && st.Vector == seq && len(st.Leaves) == 8 && done(get[view.FlowPages](w, "flow", "flow", flow).Flows[0])
		}
	}
	w.until("the flow has read all", reads(func(view.FlowPage) bool { return true }))
	w.setClock(w.base + 62*minute) // dirty windows wait for more late samples
	w.Flush(2)                     // a round begins, and sees what time it is
	w.until("the flow has computed again what is dirty", reads(func(f view.FlowPage) bool { return len(f.Dirty) == 0 }))
	kinds := map[string]int{}
	for _, l := range st.Leaves {
		if !l.Kept || l.Vector != st.Vector || l.Series != 4 || l.Bytes <= 0 || l.PartialsMore != 0 || l.PanesMore != 0 || l.ByGroup != (l.Slots == 1) {
			t.Errorf("the leaf %s is %+v", l.Leaf, l)
		}
		kinds[l.Kind]++
		pane := map[string]int64{"1m": minute, "2m": 2 * minute}[l.Pane]
		from := w.parse(l.From)
		want := w.panes(l.ByGroup, pane, from)
		cells := map[string]int64{}
		for _, p := range l.Partials {
			cells[p.Pane]++
			key := p.Pane
			if !l.ByGroup {
				key += " " + p.Series["i"]
			}
			samples := want[key]
			delete(want, key)
			if len(samples) == 0 {
				t.Errorf("%s: the partial %+v is of no sample", l.Leaf, p)
				continue
			}
			for name, value := range recomputed(l.Kind, samples) {
				if !sameField(p.Fields[name], value) {
					t.Errorf("%s: of %s %s is %s, recomputed %s", l.Leaf, key, name, p.Fields[name], value)
				}
			}
			if p.Group["r"] != "1" || l.ByGroup && p.Series != nil {
				t.Errorf("%s: the partial is of %v and %v", l.Leaf, p.Group, p.Series)
			}
		}
		if len(want) > 0 {
			t.Errorf("%s: no partial of %v", l.Leaf, slices.Sorted(maps.Keys(want)))
		}
		for _, p := range l.Panes {
			if p.Cells != cells[p.End] || p.Bytes == 0 {
				t.Errorf("%s: the pane %+v has %d partials", l.Leaf, p, cells[p.End])
			}
		}
	}
	for _, kind := range []string{"counter", "simple", "moments", "last", "first", "pair", "turns", "regression"} {
		if kinds[kind] != 1 {
			t.Errorf("the kinds are %v", kinds)
			break
		}
	}

	// A window: what it merges to, and the row that came of it.
	end := w.base + 57*minute
	windowed := get[view.StateSeen](w, "flow/state", "flow", flow, "window", view.FormatTime(end))
	total := 0.0
	for _, l := range windowed.Leaves {
		m := l.Window
		length := map[bool]int64{true: 4 * minute, false: 2 * minute}[l.Kind == "counter"]
		if m == nil || !m.Whole || m.End != view.FormatTime(end) || m.Start != view.FormatTime(end-length) || len(m.Merged) != l.Slots {
			t.Fatalf("%s: the window is %+v", l.Leaf, m)
		}
		for _, p := range l.Panes {
			if at := w.parse(p.End); at <= end-length || at > end {
				t.Errorf("%s: the pane %s is not of the window", l.Leaf, p.End)
			}
		}
		samples := w.panes(l.ByGroup, 0, end-length)
		for _, p := range m.Merged {
			var own []point
			for key, list := range samples {
				if l.ByGroup || key == p.Series["i"] {
					own = append(own, list...)
				}
			}
			slices.SortFunc(own, func(a, b point) int { return cmp.Compare(a.t, b.t) })
			own = slices.DeleteFunc(own, func(p point) bool { return p.t > end })
			for name, value := range recomputed(l.Kind, own) {
				if !sameField(p.Fields[name], value) {
					t.Errorf("%s: the window merges to %s %s, recomputed %s", l.Leaf, name, p.Fields[name], value)
				}
			}
			v, err := strconv.ParseFloat(p.Value, 64)
			if err != nil {
				t.Fatal(err)
			}
			total += v
		}
	}
	table := get[view.FlowPages](w, "flow", "flow", flow).Flows[0].Table
	stored := sqltest.ScanOne[float64](w.RawDB, "select value from "+table+" where window_end = $1", time.UnixMilli(end))
	if !partialtest.Close(stored, total, 1e-9*math.Abs(stored)) {
		t.Errorf("the leaves' values are %v together, the table has %v", total, stored)
	}

	// Some of it: by group, and cut with a count of the rest.
	if l := get[view.StateSeen](w, "flow/state", "flow", flow, "group", "r=2").Leaves[0]; len(l.Partials) != 0 || l.PartialsMore != 0 || len(l.Panes) == 0 {
		t.Errorf("of a group that is not there: %+v", l)
	}
	all := len(st.Leaves[0].Partials)
	if l := get[view.StateSeen](w, "flow/state", "flow", flow, "group", "r=1", "limit", "3").Leaves[0]; len(l.Partials) != 3 || l.PartialsMore != int64(all-3) {
		t.Errorf("cut to 3 of %d partials: %d and %d", all, len(l.Partials), l.PartialsMore)
	}
	if l := get[view.StateSeen](w, "flow/state", "flow", flow, "window", view.FormatTime(end), "limit", "1").Leaves[0]; len(l.Window.Merged) != 1 || l.Window.MergedMore != 3 {
		t.Errorf("cut to 1: %+v", l.Window)
	}
	for _, c := range [][2]string{{"window", "2026-03-04T10:57:01Z"}, {"group", "r"}, {"limit", "0"}} {
		if status, answer := w.ask(http.MethodGet, "flow/state", "", "flow", flow, c[0], c[1]); status != http.StatusBadRequest {
			t.Errorf("%v: %d %s", c, status, answer)
		}
	}

	// Who does not keep the flow says who does.
	w.serve(nil)
	var other view.StateSeen
	w.until("elsewhere it is known who leads", func() bool { // a busy server may not renew the lease in time
		other = get[view.StateSeen](w, "flow/state", "flow", flow)
		return other.Leader != nil
	})
	if other.Here || other.Leader.Address != "127.0.0.1:1" || !strings.Contains(other.Why, other.Leader.Name) || len(other.Leaves) != 0 {
		t.Errorf("elsewhere: %+v", other)
	}
	w.stop()
	standby, run := w.node()
	w.serve(standby)
	w.until("nobody leads, and why the flow is not here is said", func() bool { // a busy server may not take the lease back in time
		other := get[view.StateSeen](w, "flow/state", "flow", flow)
		return !other.Here && other.Leader == nil && other.Why != ""
	})
	defer run()()
	w.until("the other process leads and has the same state", func() bool {
		again := get[view.StateSeen](w, "flow/state", "flow", flow, "window", view.FormatTime(end))
		return again.Here && len(again.Leaves) == 8 && again.Leaves[0].Kept && len(again.Leaves[0].Window.Merged) == 4
	})
}

// newestSeq is the vector that the regions stand at.
func (w *world) newestSeq() string {
	w.Helper()
	vec, err := w.Store.Reader.CurrentVector(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return vec.String()
}

// parse reads a time of an answer.
func (w *world) parse(text string) int64 {
	w.Helper()
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		w.Fatal(err)
	}
	return t.UnixMilli()
}

// panes is the samples after a time, one for each series and time, the last that was
// written: by the end of their pane, and by series unless whole; in time order. Without
// panes they are by series alone.
func (w *world) panes(whole bool, width, after int64) map[string][]point {
	type key struct {
		series sequence.SeriesID
		t      int64
	}
	newest := map[key]float64{}
	for _, s := range w.Samples {
		if s.T > after {
			newest[key{s.Series, s.T}] = s.V
		}
	}
	out := map[string][]point{}
	for k, v := range newest {
		var parts []string
		if width > 0 {
			parts = append(parts, view.FormatTime((k.t+width-1)/width*width))
		}
		if !whole || width == 0 {
			parts = append(parts, fmt.Sprint(slices.Index(w.series, k.series)))
		}
		name := strings.Join(parts, " ")
		out[name] = append(out[name], point{k.t, v})
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b point) int { return cmp.Compare(a.t, b.t) })
	}
	return out
}
