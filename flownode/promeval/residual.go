package promeval

import (
	"context"
	"fmt"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"laminar/flownode/flowdef"
)

// Residual evaluates the residual of a compiled expression at t (ms since the
// epoch) over the vectors of its leaves. leaves[i] is the vector of leaf i, with
// the labels of Leaf.GroupLabels and each label set once. The vectors must be
// complete, with all groups of the window, because scalar, count and group_left
// look across groups.
//
// A scalar result is one sample without labels. Results with equal labels are an
// error, as in Prometheus. A nil residual means that the expression is leaf 0,
// whose vector is returned as it is.
func (e *Engine) Residual(ctx context.Context, residual parser.Expr, leaves []Vector, t int64) (Vector, error) {
	if residual == nil {
		return leaves[0], nil
	}
	text := residual.String()
	out, err := e.instant(ctx, leafVectors{leaves: leaves, t: t}, text, t)
	if err != nil {
		return nil, fmt.Errorf("evaluate residual %s: %w", text, err)
	}
	return out, nil
}

// leafVectors is a storage for the engine. The residual has a selector in the
// place of each leaf; the series of the selector of leaf i are the samples of
// its vector, all at one time.
type leafVectors struct {
	noLabelNames
	leaves []Vector
	t      int64
}

func (v leafVectors) Querier(int64, int64) (storage.Querier, error) { return v, nil }

func (v leafVectors) Select(_ context.Context, _ bool, _ *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	i, ok := flowdef.LeafOf(ms)
	if !ok || i >= len(v.leaves) {
		return storage.ErrSeriesSet(fmt.Errorf("no leaf for the selector %v", ms))
	}
	set := &leafSet{samples: v.leaves[i], points: make([]promql.FPoint, len(v.leaves[i]))}
	for j, one := range set.samples {
		if one.Histogram == nil {
			set.points[j] = promql.FPoint{T: v.t, F: one.Value}
			continue
		}
		if set.histograms == nil {
			set.histograms = make([]promql.HPoint, len(set.samples))
		}
		set.histograms[j] = promql.HPoint{T: v.t, H: one.Histogram}
	}
	return set
}

// leafSet iterates over the vector of a leaf, as series of one point each.
type leafSet struct {
	noWarnings
	samples Vector
	points  []promql.FPoint
	next    int

	histograms []promql.HPoint // of the samples that are none of points; nil without any
}

func (s *leafSet) Next() bool {
	s.next++
	return s.next <= len(s.samples)
}

func (s *leafSet) At() storage.Series {
	i := s.next - 1
	if s.samples[i].Histogram != nil {
		return promql.NewStorageSeries(promql.Series{Metric: s.samples[i].Metric, Histograms: s.histograms[i : i+1 : i+1]})
	}
	return promql.NewStorageSeries(promql.Series{
		Metric: s.samples[i].Metric,
		Floats: s.points[i : i+1 : i+1],
	})
}
