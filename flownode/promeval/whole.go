package promeval

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"

	"laminar/flownode/distinct/sethist"
)

// Series is raw samples of one series: Values[i] at Times[i], in milliseconds
// since the epoch, strictly ascending. Stale markers are among the values, and
// among the native histograms, which are strictly ascending too and at other
// times than the values.
type Series struct {
	Labels     labels.Labels  // __name__ included; selectors match them
	Seen       *labels.Labels // what the expression sees instead of them; nil for nothing else
	Times      []int64
	Values     []float64
	Histograms []promql.HPoint
}

// seen is the labels that the expression sees.
func (s *Series) seen() labels.Labels {
	if s.Seen != nil {
		return *s.Seen
	}
	return s.Labels
}

// Samples is the raw samples that an evaluation may see. Series have distinct
// labels. It is only read.
type Samples []Series

// Whole evaluates an expression over raw samples at t (ms since the epoch). The
// samples must hold everything that the expression reads at t; they may hold
// more.
func (e *Engine) Whole(ctx context.Context, expr string, samples Samples, t int64) (Vector, error) {
	out, err := e.instant(ctx, samples, expr, t)
	if err != nil {
		return nil, fmt.Errorf("evaluate %s at %d: %w", expr, t, err)
	}
	return out, nil
}

// WholeRange evaluates an expression at start, start+step, ... up to end (ms
// since the epoch), in one pass over the samples. That is much faster than as
// many calls of Whole, unless the order of series matters (OrderMatters): the engine
// leaves that to chance in a range. The result has one vector for each of these
// times, with sets of values as small as they can be. An error at one of them fails all.
func (e *Engine) WholeRange(ctx context.Context, expr string, samples Samples, start, end, step int64) ([]Vector, error) {
	out, err := e.wholeRange(ctx, expr, samples, start, end, step)
	if err != nil {
		return nil, fmt.Errorf("evaluate %s from %d to %d: %w", expr, start, end, err)
	}
	return out, nil
}

func (e *Engine) wholeRange(ctx context.Context, expr string, samples Samples, start, end, step int64) ([]Vector, error) {
	if step <= 0 || end < start {
		return nil, fmt.Errorf("there are no times with step %d", step)
	}
	if mayOrderMatter(expr) {
		out := make([]Vector, 0, (end-start)/step+1)
		for t := start; t <= end; t += step {
			vec, err := e.instant(ctx, samples, expr, t)
			if err != nil {
				return nil, err
			}
			out = append(out, vec)
		}
		return out, nil
	}
	q, err := e.engine.NewRangeQuery(ctx, samples, e.options(), expr,
		time.UnixMilli(start), time.UnixMilli(end), time.Duration(step)*time.Millisecond)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return nil, res.Err
	}
	m, err := res.Matrix()
	if err != nil {
		return nil, err
	}
	out := make([]Vector, (end-start)/step+1)
	for _, s := range m {
		for _, p := range s.Floats {
			i := (p.T - start) / step
			out[i] = append(out[i], Sample{Metric: s.Metric, Value: p.F})
		}
		for _, p := range s.Histograms {
			i := (p.T - start) / step
			out[i] = append(out[i], Sample{Metric: s.Metric, Histogram: sethist.Canonical(p.H)})
		}
	}
	return out, nil
}

// Querier makes Samples a storage.Queryable.
func (s Samples) Querier(int64, int64) (storage.Querier, error) {
	return samplesQuerier{samples: s}, nil
}

type samplesQuerier struct {
	noLabelNames
	samples Samples
}

func (q samplesQuerier) Select(_ context.Context, sorted bool, _ *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	set := &sampleSet{}
	for i := range q.samples {
		if s := &q.samples[i]; matches(s.Labels, ms) {
			set.series = append(set.series, s)
		}
	}
	if sorted {
		sort.Slice(set.series, func(i, j int) bool {
			return labels.Compare(set.series[i].seen(), set.series[j].seen()) < 0
		})
	}
	return set
}

// matches reports whether a label set satisfies all matchers. A missing label is
// the empty string, as everywhere in PromQL.
func matches(lset labels.Labels, ms []*labels.Matcher) bool {
	for _, m := range ms {
		if !m.Matches(lset.Get(m.Name)) {
			return false
		}
	}
	return true
}

type sampleSet struct {
	noWarnings
	series []*Series
	next   int
}

func (s *sampleSet) Next() bool {
	s.next++
	return s.next <= len(s.series)
}

func (s *sampleSet) At() storage.Series {
	one := s.series[s.next-1]
	points := make([]promql.FPoint, len(one.Times))
	for i, t := range one.Times {
		points[i] = promql.FPoint{T: t, F: one.Values[i]}
	}
	return promql.NewStorageSeries(promql.Series{Metric: one.seen(), Floats: points, Histograms: one.Histograms})
}
