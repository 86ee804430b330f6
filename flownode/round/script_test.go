package round_test

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
	"laminar/flownode/round"
	"laminar/flownode/round/roundtest"
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
	datadriven.Walk(t, "../../testdata/flownode", func(t *testing.T, path string) {
		t.Helper()
		var s *script
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			if d.Cmd == "define" {
				s = &script{World: roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, d.Input), counted: map[string]int{}, rows: map[string]float64{}}
				s.Series = nil
				return ""
			}
			return s.run(t, d)
		})
	})
}

type script struct {
	*roundtest.World
	counted map[string]int     // what rounds had done as of the last tick
	rows    map[string]float64 // rows as of the last tick
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	switch d.Cmd {
	case "append":
		return s.append(t, d)
	case "seal":
		s.Store.Seal()
	case "evict":
		for _, f := range s.Flows {
			f.Leaves.DropState()
		}
	case "restart":
		s.Restart()
	case "apply":
		for _, f := range s.Store.Flows {
			f.Flow.Vector = maps.Clone(s.Store.Vec)
		}
		s.Restart()
	case "clock":
		s.Store.Now = s.at(t, d.CmdArgs[0].Key)
	case "refill":
		job := progress.Job{ID: int64(len(s.Store.Jobs) + 1), State: progress.JobQueued}
		for id, f := range s.Store.Flows {
			if f.Flow.Def.Name == d.CmdArgs[0].Key {
				job.Flow = id
			}
		}
		var from, to string
		d.ScanArgs(t, "from", &from)
		d.ScanArgs(t, "to", &to)
		job.From, job.To = s.at(t, from), s.at(t, to)
		job.NextT = job.From
		s.Store.Jobs = append(s.Store.Jobs, job)
	case "retain":
		s.Store.Earliest = s.at(t, d.CmdArgs[0].Key)
	case "tick":
		s.Tick()
		if s.Store.Earliest == 0 {
			s.Check()
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
	return s.Base + d.Milliseconds()
}

// append commits one flush of region 1.
func (s *script) append(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	var at string
	d.ScanArgs(t, "at", &at)
	ts := s.at(t, at)
	samples := map[*roundtest.WorldSeries]map[int64]float64{}
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
	s.Store.Now = max(s.Store.Now, ts)
	s.Flush(1, samples)
	return fmt.Sprintf("sequence %d", s.Store.Vec[1])
}

// find returns the series with these labels, making it if needed.
func (s *script) find(t *testing.T, text string) *roundtest.WorldSeries {
	t.Helper()
	lset, err := parser.NewParser(parser.Options{}).ParseMetric(text)
	if err != nil {
		t.Fatal(err)
	}
	metrics := map[string]sequence.MetricID{}
	for _, x := range s.Series {
		if x.Labels[0].Value == lset.Get(series.MetricName) {
			metrics[x.Labels[0].Value] = x.Metric
		}
		if slices.Equal(x.Labels, toSegment(lset.Map())) {
			return x
		}
	}
	metric, ok := metrics[lset.Get(series.MetricName)]
	if !ok {
		metric = sequence.MetricID(len(s.Series) + 1)
	}
	x := &roundtest.WorldSeries{ID: sequence.SeriesID(len(s.Series) + 1), Metric: metric, Region: 1, Labels: toSegment(lset.Map()), Samples: map[int64]float64{}}
	s.Series = append(s.Series, x)
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
		now["refill "+string(r)] = s.Counts.Refills[r]
		counters = append(counters, "refill "+string(r))
	}
	for _, k := range round.WindowKinds() {
		now[string(k)] = s.Counts.Windows[k]
		counters = append(counters, string(k))
	}
	for _, k := range counters {
		if n := now[k] - s.counted[k]; n > 0 {
			fmt.Fprintf(&b, "%s: %d\n", k, n)
		}
	}
	s.counted = now
	for _, j := range s.Store.Jobs {
		if j.State == "failed" {
			fmt.Fprintf(&b, "job %d failed: %s\n", j.ID, j.Error)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.Store.Flows)) {
		if f := s.Store.Flows[id].Flow; f.Error != "" {
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
	for _, id := range slices.Sorted(maps.Keys(s.Store.Flows)) {
		f := s.Store.Flows[id]
		var lines []string
		for k, d := range f.Dirty {
			group := k.Group
			if group == progress.AllGroups {
				group = "all groups"
			}
			lines = append(lines, fmt.Sprintf("dirty %s %s %s: %s", f.Flow.Def.Name, s.rel(k.WindowEnd), group, d.Reason))
		}
		slices.Sort(lines)
		for _, l := range lines {
			fmt.Fprintln(b, l)
		}
	}
}

func (s *script) reportRows(b *strings.Builder) {
	rows := map[string]float64{}
	for _, f := range s.Store.Flows {
		for end, group := range f.Rows {
			for key, row := range group {
				rows[fmt.Sprintf("%s %s {%s}", f.Flow.Def.Name, s.rel(end), strings.ReplaceAll(key, "\xff", ","))] = row.Value
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

func (s *script) rel(ms int64) string { return (time.Duration(ms-s.Base) * time.Millisecond).String() }

// TestHistoryChanged restores an older state of the database under a running
// flow: commits it has seen are gone, others have taken their numbers.
func TestHistoryChanged(t *testing.T) {
	w := roundtest.NewWorld(t, 7, 2, flowdef.ExecutorColumnar, roundtest.OracleFlows)
	for range 5 {
		w.Scrape(60_000, false)
		w.Tick()
	}
	w.Check()
	hot, stored, vec := slices.Clone(w.Store.Hot), slices.Clone(w.Store.Series), w.Store.Vec.Clone()
	flushes := map[sequence.Region][]sequence.FlushID{}
	for r, ids := range w.Store.Flushes {
		flushes[r] = slices.Clone(ids)
	}
	known := map[*roundtest.WorldSeries]map[int64]float64{}
	for _, s := range w.Series {
		known[s] = maps.Clone(s.Samples)
	}
	w.Scrape(60_000, false)
	w.Tick()
	w.Check()

	// Back to before the last scrape; then other commits take the numbers.
	w.Store.Hot, w.Store.Series, w.Store.Vec, w.Store.Flushes = hot, stored, vec.Clone(), flushes
	for _, s := range w.Series {
		s.Samples = known[s]
		s.Created = len(s.Samples) > 0
		delete(w.Last, s.ID)
		for ts := range s.Samples {
			w.Last[s.ID] = max(w.Last[s.ID], ts)
		}
	}
	for range 3 {
		w.Scrape(60_000, false)
		for r, ids := range w.Store.Flushes {
			for i := int(vec[r]); i < len(ids); i++ {
				ids[i][15] = 1
			}
		}
	}
	for range 3 {
		w.Tick()
		w.Store.Now += flowplan.DirtyAtLatest
	}
	w.Tick()
	w.Check()
	if w.Counts.Refills[progress.HistoryChanged] == 0 {
		t.Error("the changed history was not noticed")
	}
}

// TestFenced runs two owners of one flow by mistake: the one that came first
// must not write any more, and comes back only by taking the flow again.
func TestFenced(t *testing.T) {
	w := roundtest.NewWorld(t, 3, 1, flowdef.ExecutorColumnar, roundtest.OracleFlows)
	w.Scrape(120_000, false)
	w.Tick()
	first := w.Flows
	w.Restart()
	w.Scrape(60_000, false)
	w.Tick()
	w.Scrape(60_000, false)
	second := w.Flows
	w.Flows = maps.Clone(first)
	if _, err := w.Round(context.Background()); err != nil {
		t.Fatal(err)
	}
	for id := range first {
		if w.Flows[id] != nil {
			t.Errorf("flow %d: the fenced owner did not notice", id)
		}
	}
	w.Flows = second
	w.Tick()
	w.Check()
}
