package ruletest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"laminar/flownode"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
	"laminar/flownode/promeval"
	"laminar/flownode/sandbox"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// evaluating is the evaluation of a test's rules. Windows end at the evaluation times
// of the test, the first of them when it begins.
type evaluating struct {
	store *sandbox.MemStore
	step  *flownode.Stepper
	first int64 // the first evaluation, ms since the epoch
	last  int64 // the last one
}

// settleRounds is how often the clock is moved on until nothing changes any more. Each
// time everything that is due is done: a few are enough for chains of any length.
const settleRounds = 50

// evaluate computes the tables of flows over samples, for evaluations from first to
// last, and returns the series that Prometheus would have recorded.
func evaluate(ctx context.Context, flows []flowdef.Flow, samples promeval.Samples, first, last int64) (promeval.Samples, error) {
	e := &evaluating{store: sandbox.NewMemStore(1), first: first, last: last}
	if err := write(e.store, samples); err != nil {
		return nil, err
	}
	e.store.Now = last
	for i, f := range flows {
		id := progress.FlowID(i + 1)
		f.WatermarkDelay, f.Emit = 0, flowdef.EmitClose
		e.store.Flows[id] = &sandbox.MemFlow{
			Flow: progress.Flow{ID: id, Def: f, Progress: progress.Progress{
				// As if it had been there when the test begins.
				Vector: sequence.Vector{}, EmittedUntil: first - f.Every, BeginsAfter: first - f.Every,
				NewestT: first, NewestAt: first, Watermark: sequence.NoTime,
			}},
			Rows: map[int64]map[string]progress.Row{}, Dirty: map[progress.DirtyKey]progress.Dirty{},
		}
	}
	var err error
	e.step, err = flownode.NewStepper(flownode.Config{
		Snapshots: e.store, Catalog: e.store, Results: e.store, Jobs: e.store, Elector: e.store,
		Executor: flowdef.ExecutorColumnar, Now: func() time.Time { return time.UnixMilli(e.store.Now) },
	})
	if err != nil {
		return nil, err
	}
	if err := e.settle(ctx); err != nil {
		return nil, err
	}
	return e.recorded(), nil
}

// settle makes rounds until every table is what it will be. The clock goes so far
// beyond the last evaluation that all senders count as quiet.
func (e *evaluating) settle(ctx context.Context) error {
	ahead := int64(0)
	for _, f := range e.store.Flows {
		ahead = max(ahead, f.Flow.Def.CloseDelay())
	}
	before := ""
	for range settleRounds {
		if err := e.step.Poll(ctx); err != nil {
			return err
		}
		e.step.Wake()
		for e.step.Step(ctx) == 0 {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := e.failed(); err != nil {
				return err
			}
		}
		if err := e.failed(); err != nil {
			return err
		}
		now := e.state()
		if now == before && e.store.Now > e.last+ahead+flowplan.QuietAfter {
			return nil
		}
		before = now
		e.store.Now += max(flowplan.QuietAfter, flowplan.DirtyAtLatest) + ahead + 1
	}
	return errors.New("the tables do not come to rest: this is a fault of Laminar, not of the test")
}

// state is what still moves, for comparison.
func (e *evaluating) state() string {
	out := ""
	for _, id := range slices.Sorted(maps.Keys(e.store.Flows)) {
		f := e.store.Flows[id]
		rows := 0
		for end, of := range f.Rows {
			if end <= e.last {
				rows += len(of)
			}
		}
		out += fmt.Sprintf("%d rows, %d dirty, %v; ", rows, len(f.Dirty), f.Flow.EmittedUntil >= e.last)
	}
	return out
}

// failed is what is wrong with rules that could not be evaluated, nil if all could.
func (e *evaluating) failed() error {
	var all []error
	for _, id := range slices.Sorted(maps.Keys(e.store.Flows)) {
		if f := e.store.Flows[id].Flow; f.Error != "" {
			all = append(all, fmt.Errorf("    rule: %s, err: %s", f.Def.Title(), f.Error))
		}
	}
	return errors.Join(all...)
}

// recorded is the rows of the tables as series: a sample at each evaluation, and a
// stale marker where a series that had one has none at the next.
func (e *evaluating) recorded() promeval.Samples {
	byLabels := map[string]*promeval.Series{}
	for _, id := range slices.Sorted(maps.Keys(e.store.Flows)) {
		f := e.store.Flows[id]
		layout := flowdef.NewLayout(f.Flow.Def)
		for end := e.first; end <= e.last; end += f.Flow.Def.Every {
			for key, row := range f.Rows[end] {
				lset := labels.NewBuilder(layout.Labels(row.Columns)).Set(labels.MetricName, f.Flow.Def.Name).Labels()
				x := byLabels[lset.String()]
				if x == nil {
					x = &promeval.Series{Labels: lset}
					byLabels[lset.String()] = x
				}
				if row.Histogram != nil {
					x.Histograms = append(x.Histograms, promql.HPoint{T: end, H: row.Histogram.Float()})
				} else {
					x.Times, x.Values = append(x.Times, end), append(x.Values, row.Value)
				}
				next := end + f.Flow.Def.Every
				if _, still := f.Rows[next][key]; !still && next <= e.last {
					x.Times, x.Values = append(x.Times, next), append(x.Values, segment.Stale())
				}
			}
		}
	}
	out := make(promeval.Samples, 0, len(byLabels))
	for _, name := range slices.Sorted(maps.Keys(byLabels)) {
		out = append(out, tidy(*byLabels[name]))
	}
	return out
}

// tidy puts a series' samples into the order of time. Several rules may write one
// series: a marker of one gives way to a sample of another.
func tidy(x promeval.Series) promeval.Series {
	at := map[int64]float64{}
	for i, t := range x.Times {
		if old, twice := at[t]; !twice || segment.IsStale(old) {
			at[t] = x.Values[i]
		}
	}
	for _, h := range x.Histograms {
		if v, twice := at[h.T]; twice && segment.IsStale(v) {
			delete(at, h.T)
		}
	}
	x.Times, x.Values = slices.Sorted(maps.Keys(at)), nil
	for _, t := range x.Times {
		x.Values = append(x.Values, at[t])
	}
	slices.SortFunc(x.Histograms, func(a, b promql.HPoint) int { return int(a.T - b.T) })
	return x
}
