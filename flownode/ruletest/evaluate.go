package ruletest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode"
	"laminar/flownode/alert/expand"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowgraph"
	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
	"laminar/flownode/promeval"
	"laminar/flownode/sandbox"
	"laminar/sequence"
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
// last.
func evaluate(ctx context.Context, flows []flowdef.Flow, samples promeval.Samples, first, last int64) (*evaluating, error) {
	e := &evaluating{store: sandbox.NewMemStore(1), first: first, last: last}
	if err := write(e.store, samples); err != nil {
		return nil, err
	}
	e.store.Now = last
	groups := flowgraph.FenceGroups(flows)
	for i, f := range flows {
		id := progress.FlowID(i + 1)
		f.WatermarkDelay, f.Emit, f.Group = 0, flowdef.EmitClose, groups[i]
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
	return e, nil
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

// recorded is the rows of the tables of recording rules as series.
func (e *evaluating) recorded() promeval.Samples {
	var out promeval.Samples
	for _, id := range slices.Sorted(maps.Keys(e.store.Flows)) {
		def := e.store.Flows[id].Flow.Def
		if def.Alert != nil {
			continue
		}
		one, rows := newRecorder(def.Every, e.last), e.rows(id)
		for end := e.first; end <= e.last; end += def.Every {
			for _, row := range rows(end) {
				one.put(labels.NewBuilder(row.Labels).Set(model.MetricNameLabel, def.Name).Labels(), end, row.Value, row.Histogram)
			}
		}
		out = merge(out, one.samples())
	}
	return out
}

// rows gives the results of a flow in a window by its end.
func (e *evaluating) rows(id progress.FlowID) func(end sequence.Time) []expand.Row {
	f := e.store.Flows[id]
	layout := flowdef.NewLayout(f.Flow.Def)
	return func(end sequence.Time) []expand.Row {
		var out []expand.Row
		for _, key := range slices.Sorted(maps.Keys(f.Rows[end])) {
			row := f.Rows[end][key]
			one := expand.Row{Labels: layout.Labels(row.Columns), Value: row.Value}
			if row.Histogram != nil { // to Prometheus, the value of such an alert is 0
				one.Value, one.Histogram = 0, row.Histogram.Float()
			}
			out = append(out, one)
		}
		return out
	}
}
