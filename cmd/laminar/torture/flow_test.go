package torture

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/robfig/cron/v3"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
	"laminar/flownode/partial/partialtest"
	"laminar/flownode/promeval"
	"laminar/sequence"
	"laminar/sequence/relabeling"
)

// flowsFile holds the flows that histories apply.
var flowsFile = filepath.Join("..", "..", "..", "testdata", "torture", "flows.yml")

func definitions(t testing.TB) []flowdef.Flow {
	t.Helper()
	data, err := os.ReadFile(flowsFile)
	if err != nil {
		t.Fatal(err)
	}
	flows, problems := flowfile.Parse(flowsFile, data)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return flows
}

// values is a window's rows: label columns -> value.
type values map[string]float64

func (v values) String() string {
	out := make([]string, 0, len(v))
	for _, key := range slices.Sorted(maps.Keys(v)) {
		out = append(out, fmt.Sprintf("{%s} %v", strings.ReplaceAll(key, "\xff", ","), v[key]))
	}
	return "[" + strings.Join(out, " ") + "]"
}

// flow is an applied flow and what its table must hold.
type flow struct {
	def    flowdef.Flow
	layout *flowdef.Layout
	cron   cron.Schedule   // nil without a cron trigger
	after  sequence.Vector // where the regions were when it was applied
	asked  []span          // window ends that refills were asked for
	bound  float64         // relative, of what values may differ by

	// What the engine gives at the vector at, by window end. It follows the
	// model's log.
	at       sequence.Vector
	read     int // everything in the log before it is at or before at
	expected map[int64]map[string]float64

	late    *lateWatch                   // nil where closed windows lack no samples
	kept    map[int64]map[string]float64 // windows that cannot be rebuilt, as they must stay
	checked string                       // when it was last stored, as of the last check

	folded folding
	seenBy sourcing
	heavy  *heaviest // nil for flows without topk
}

type span struct{ first, last int64 } // both included

func newFlow(def flowdef.Flow, m *model) *flow {
	// The design's bound. A line through samples that are near each other can be
	// off by more in the engine itself, which counts time from the window's end.
	bound := 1e-9
	if strings.Contains(def.PromQL, "deriv") || strings.Contains(def.PromQL, "predict_linear") {
		bound = 1e-6
	}
	var times cron.Schedule
	if def.Trigger.Cron != "" {
		var err error
		if times, err = cron.ParseStandard(def.Trigger.Cron); err != nil {
			panic(err) // the definition was read
		}
	}
	return &flow{
		cron: times, bound: bound, def: def, layout: flowdef.NewLayout(def), after: m.vector.Clone(),
		at: sequence.Vector{}, expected: map[int64]map[string]float64{}, kept: map[int64]map[string]float64{},
		late:   newLateWatch(def),
		folded: folding{was: m.vector.Clone(), stands: m.vector.Clone()},
		heavy:  heaviestOf(def),
	}
}

// near reports whether a stored value is what the engine says, for terms up to
// some thousands.
func (f *flow) near(a, b float64) bool {
	return partialtest.Close(a, b, f.bound*(1e4+math.Abs(b)))
}

// follow brings what is expected to a vector.
func (f *flow) follow(sim *simulation, vec sequence.Vector) {
	if f.late != nil {
		f.late.catchUp(sim, f, vec)
	}
	f.followTo(sim, vec)
}

// followTo asks the engine for the windows that samples reach since it was last asked.
func (f *flow) followTo(sim *simulation, vec sequence.Vector) {
	var touched []span
	gap := false
	if f.def.Session != nil && maps.Equal(f.at, vec) {
		return
	}
	for i := f.read; i < len(sim.model.log); i++ {
		l := sim.model.log[i]
		region := sim.model.series[l.series].region
		switch {
		case l.seq > vec.At(region):
			gap = true
			continue
		case l.seq > f.at.At(region):
			touched = append(touched, span{
				f.def.Windows().From(l.t + f.def.Expr.MinOffset), f.def.Windows().Last(l.t + f.def.Expr.MaxReach),
			})
			if f.pins(l.t) {
				touched = append(touched, f.reached(sim))
			}
		}
		if !gap {
			f.read = i + 1
		}
	}
	if f.at = vec.Clone(); f.readsTables() {
		return
	}
	if f.def.Session != nil {
		f.expected = sessionsOf(f, sim.model.samples(sequence.Span{After: -1, UpTo: sequence.EndOfTime}, vec))
		return
	}
	for _, s := range mergeSpans(touched, f.def.Every) {
		f.ask(sim, s)
	}
}

// pins reports whether every window reads samples at t: at a fixed time.
func (f *flow) pins(t int64) bool { return f.def.Expr.Pinned().Holds(t) }

// reached is the window ends that any sample reaches otherwise than by a fixed
// time: no expression of flowsFile has a value in others.
func (f *flow) reached(sim *simulation) span {
	first, last := int64(math.MaxInt64), int64(0)
	for _, l := range sim.model.log {
		first, last = min(first, l.t), max(last, l.t)
	}
	return span{
		f.def.Windows().From(first + f.def.Expr.MinOffset), f.def.Windows().Last(last + f.def.Expr.MaxReach),
	}
}

func mergeSpans(in []span, gap int64) []span {
	slices.SortFunc(in, func(a, b span) int { return int(a.first - b.first) })
	var out []span
	for _, s := range in {
		if n := len(out); n > 0 && s.first <= out[n-1].last+gap {
			out[n-1].last = max(out[n-1].last, s.last)
		} else if s.first <= s.last {
			out = append(out, s)
		}
	}
	return out
}

// engine evaluates what tables are compared with.
var engine = promeval.New()

func (f *flow) ask(sim *simulation, s span) {
	read := sequence.Span{After: s.first - f.def.Expr.MaxReach - 1, UpTo: s.last + f.def.Expr.Ahead()}
	f.evaluate(sim, f.fold(f.seen(sim.model.samples(read.Join(f.def.Expr.Pinned()), f.at))), s)
}

// evaluate has the engine say what windows with these ends hold.
func (f *flow) evaluate(sim *simulation, samples promeval.Samples, s span) {
	promql := f.def.PromQL
	if f.heavy != nil {
		promql = f.heavy.inner
	}
	vectors, err := engine.WithLookback(f.def.Lookback).WholeRange(sim.t.ctx, promql, samples, s.first, s.last, f.def.Every)
	if err != nil {
		sim.t.Fatalf("the engine on %s: %v", promql, err)
	}
	for i, vec := range vectors {
		end := s.first + int64(i)*f.def.Every
		delete(f.expected, end)
		if len(vec) == 0 {
			continue
		}
		rows := make(values, len(vec))
		for _, v := range vec {
			if v.Histogram != nil { // StoredRows says the same
				v.Value = v.Histogram.Count
			}
			key := strings.Join(f.layout.Row(v.Metric), "\xff")
			if rows[key] = v.Value; f.heavy != nil {
				f.heavy.partOf[key] = v.Metric.Get(f.heavy.by)
			}
		}
		f.expected[end] = rows
	}
}

// seen is samples as the flow's rules leave them.
func (f *flow) seen(all promeval.Samples) promeval.Samples {
	if len(f.def.Relabel) == 0 {
		return all
	}
	rules, err := relabeling.New(f.def.Relabel)
	if err != nil {
		panic(err) // the definition was read
	}
	out := make(promeval.Samples, 0, len(all))
	for _, x := range all {
		if lset, leftOutBy := rules.Labels(x.Labels); leftOutBy == 0 {
			x.Seen = &lset
			out = append(out, x)
		}
	}
	return out
}
