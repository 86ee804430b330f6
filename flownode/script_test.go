package flownode

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// TestScripts runs the scenarios under testdata/flownode. Commands:
//
//	define             definitions in YAML
//	apply              the flows are new now: what came before is not theirs
//	append at=T        samples of one flush of region 1, as series and value;
//	                   a sample at or before its series' newest is unordered
//	seal, evict, restart
//	clock T            moves the database's clock
//	refill NAME from=T to=T
//	tick               rounds until nothing is left that need not wait; prints
//	                   what was computed again and why, and the rows that changed
//
// Times are durations since the epoch of the script. After every tick all
// tables are compared with Prometheus's engine over all samples, whether the
// script asks or not.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "../testdata/flownode", func(t *testing.T, path string) {
		t.Helper()
		var s *script
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			if d.Cmd == "define" {
				s = &script{world: newWorld(t, 1, 1, flowdef.ExecutorColumnar, d.Input), counted: map[string]int{}, rows: map[string]float64{}}
				s.series = nil
				return ""
			}
			return s.run(t, d)
		})
	})
}

type script struct {
	*world
	counted map[string]int     // what rounds had done as of the last tick
	rows    map[string]float64 // rows as of the last tick
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	switch d.Cmd {
	case "append":
		return s.append(t, d)
	case "seal":
		s.store.seal()
	case "evict":
		for _, f := range s.flows {
			f.Leaves.DropState()
		}
	case "restart":
		s.restart()
	case "apply":
		for _, f := range s.store.flows {
			f.flow.Vector = maps.Clone(s.store.vec)
		}
		s.restart()
	case "clock":
		s.store.now = s.at(t, d.CmdArgs[0].Key)
	case "refill":
		job := progress.Job{ID: int64(len(s.store.jobs) + 1), State: "queued"}
		for id, f := range s.store.flows {
			if f.flow.Def.Name == d.CmdArgs[0].Key {
				job.Flow = id
			}
		}
		var from, to string
		d.ScanArgs(t, "from", &from)
		d.ScanArgs(t, "to", &to)
		job.From, job.To = s.at(t, from), s.at(t, to)
		job.NextT = job.From
		s.store.jobs = append(s.store.jobs, job)
	case "retain":
		s.store.earliest = s.at(t, d.CmdArgs[0].Key)
	case "tick":
		s.tick()
		if s.store.earliest == 0 {
			s.check()
		}
		return s.report()
	default:
		d.Fatalf(t, "unknown command %q", d.Cmd)
	}
	return ""
}

func (s *script) at(t *testing.T, text string) int64 {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return s.base + d.Milliseconds()
}

// append commits one flush of region 1.
func (s *script) append(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	var at string
	d.ScanArgs(t, "at", &at)
	ts := s.at(t, at)
	samples := map[*worldSeries]map[int64]float64{}
	for line := range strings.Lines(d.Input) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		one := s.find(t, name)
		v := segment.Stale()
		if value != "stale" {
			if _, err := fmt.Sscan(value, &v); err != nil {
				d.Fatalf(t, "value %q: %v", value, err)
			}
		}
		samples[one] = map[int64]float64{ts: v}
	}
	s.flush(1, samples)
	s.store.now = max(s.store.now, ts)
	return fmt.Sprintf("sequence %d", s.store.vec[1])
}

// find returns the series with these labels, making it if needed.
func (s *script) find(t *testing.T, text string) *worldSeries {
	t.Helper()
	lset, err := parser.NewParser(parser.Options{}).ParseMetric(text)
	if err != nil {
		t.Fatal(err)
	}
	metrics := map[string]sequence.MetricID{}
	for _, x := range s.series {
		if x.labels[0].Value == lset.Get(series.MetricName) {
			metrics[x.labels[0].Value] = x.metric
		}
		if slices.Equal(x.labels, toSegment(lset.Map())) {
			return x
		}
	}
	metric, ok := metrics[lset.Get(series.MetricName)]
	if !ok {
		metric = sequence.MetricID(len(s.series) + 1)
	}
	x := &worldSeries{id: sequence.SeriesID(len(s.series) + 1), metric: metric, region: 1, labels: toSegment(lset.Map()), samples: map[int64]float64{}}
	s.series = append(s.series, x)
	return x
}

func toSegment(m map[string]string) []series.Label {
	var out []series.Label
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, series.Label{Name: name, Value: m[name]})
	}
	return out
}

// report prints what the rounds since the last report did.
func (s *script) report() string {
	var b strings.Builder
	var counters []string
	now := map[string]int{}
	for _, r := range progress.Reasons() {
		now["refill "+string(r)] = s.counts.Refills[r]
		counters = append(counters, "refill "+string(r))
	}
	for _, k := range WindowKinds() {
		now[string(k)] = s.counts.Windows[k]
		counters = append(counters, string(k))
	}
	for _, k := range counters {
		if n := now[k] - s.counted[k]; n > 0 {
			fmt.Fprintf(&b, "%s: %d\n", k, n)
		}
	}
	s.counted = now
	for _, j := range s.store.jobs {
		if j.State == "failed" {
			fmt.Fprintf(&b, "job %d failed: %s\n", j.ID, j.Error)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.store.flows)) {
		if f := s.store.flows[id].flow; f.Error != "" {
			fmt.Fprintf(&b, "error: %s\n", f.Error)
		}
	}
	s.reportDirty(&b)
	s.reportRows(&b)
	if b.Len() == 0 {
		return "nothing"
	}
	return b.String()
}

func (s *script) reportDirty(b *strings.Builder) {
	for _, id := range slices.Sorted(maps.Keys(s.store.flows)) {
		f := s.store.flows[id]
		var lines []string
		for k, d := range f.dirty {
			group := k.Group
			if group == progress.AllGroups {
				group = "all groups"
			}
			lines = append(lines, fmt.Sprintf("dirty %s %s %s: %s", f.flow.Def.Name, s.rel(k.WindowEnd), group, d.Reason))
		}
		slices.Sort(lines)
		for _, l := range lines {
			fmt.Fprintln(b, l)
		}
	}
}

func (s *script) reportRows(b *strings.Builder) {
	rows := map[string]float64{}
	for _, f := range s.store.flows {
		for end, group := range f.rows {
			for key, row := range group {
				rows[fmt.Sprintf("%s %s {%s}", f.flow.Def.Name, s.rel(end), strings.ReplaceAll(key, "\xff", ","))] = row.Value
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		if old, ok := s.rows[key]; !ok || !progress.SameValue(old, rows[key]) {
			fmt.Fprintf(b, "%s = %v\n", key, math.Round(rows[key]*1e9)/1e9)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.rows)) {
		if _, ok := rows[key]; !ok {
			fmt.Fprintf(b, "%s gone\n", key)
		}
	}
	s.rows = rows
}

func (s *script) rel(ms int64) string { return (time.Duration(ms-s.base) * time.Millisecond).String() }

// TestHistoryChanged restores an older state of the database under a running
// flow: commits it has seen are gone, others have taken their numbers.
func TestHistoryChanged(t *testing.T) {
	w := newWorld(t, 7, 2, flowdef.ExecutorColumnar, oracleFlows)
	for range 5 {
		w.scrape(60_000, false)
		w.tick()
	}
	w.check()
	hot, stored, vec := slices.Clone(w.store.hot), slices.Clone(w.store.series), w.store.vec.Clone()
	flushes := map[sequence.Region][]sequence.FlushID{}
	for r, ids := range w.store.flushes {
		flushes[r] = slices.Clone(ids)
	}
	known := map[*worldSeries]map[int64]float64{}
	for _, s := range w.series {
		known[s] = maps.Clone(s.samples)
	}
	w.scrape(60_000, false)
	w.tick()
	w.check()

	// Back to before the last scrape; then other commits take the numbers.
	w.store.hot, w.store.series, w.store.vec, w.store.flushes = hot, stored, vec.Clone(), flushes
	for _, s := range w.series {
		s.samples = known[s]
		s.created = len(s.samples) > 0
		delete(w.last, s.id)
		for ts := range s.samples {
			w.last[s.id] = max(w.last[s.id], ts)
		}
	}
	for range 3 {
		w.scrape(60_000, false)
		for r, ids := range w.store.flushes {
			for i := int(vec[r]); i < len(ids); i++ {
				ids[i][15] = 1
			}
		}
	}
	for range 3 {
		w.tick()
		w.store.now += flowplan.DirtyAtLatest
	}
	w.tick()
	w.check()
	if w.counts.Refills[progress.HistoryChanged] == 0 {
		t.Error("the changed history was not noticed")
	}
}

// TestFenced runs two owners of one flow by mistake: the one that came first
// must not write any more, and comes back only by taking the flow again.
func TestFenced(t *testing.T) {
	w := newWorld(t, 3, 1, flowdef.ExecutorColumnar, oracleFlows)
	w.scrape(120_000, false)
	w.tick()
	first := w.flows
	w.restart()
	w.scrape(60_000, false)
	w.tick()
	w.scrape(60_000, false)
	second := w.flows
	w.flows = maps.Clone(first)
	if _, err := w.round(context.Background()); err != nil {
		t.Fatal(err)
	}
	for id := range first {
		if w.flows[id] != nil {
			t.Errorf("flow %d: the fenced owner did not notice", id)
		}
	}
	w.flows = second
	w.tick()
	w.check()
}
