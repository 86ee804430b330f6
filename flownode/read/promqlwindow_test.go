package read_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"laminar/flownode/flowdef"
	"laminar/flownode/keep"
	"laminar/flownode/promeval"
	"laminar/flownode/read"
	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/series"
)

// cuts is into how many panes the leaves' windows were cut, and in how many of
// them there were samples, for the leaf with the fewest. A window with native
// histograms in it is not cut.
type cuts struct {
	panes, occupied int64
	histograms      bool
	whole           bool // nothing was cut
}

// errHistograms says that a leaf of floats selects native histograms.
var errHistograms = errors.New("native histograms")

// whole computes the expression from the samples that it is said to read.
func (q *adapted) whole(ctx context.Context, c *flowdef.Compiled, t int64) (vec promeval.Vector, cut cuts, err error) {
	sel := &read.Selection{}
	cut.whole = true
	for i := range c.Leaves {
		m, raw, err := q.read(ctx, &c.Leaves[i], t)
		if err != nil {
			return nil, cut, err
		}
		cut.histograms = cut.histograms || slices.ContainsFunc(raw.Histograms, func(column [][]byte) bool { return column != nil })
		if err := sel.Add(m, raw); err != nil {
			return nil, cut, err
		}
	}
	vec, err = q.a.eval.Whole(ctx, q.String(), sel.Within(sequence.Span{After: math.MinInt64, UpTo: sequence.EndOfTime}), t)
	return vec, cut, err
}

// window computes the expression at t, with panes of a random width.
func (q *adapted) window(ctx context.Context, t int64) (vec promeval.Vector, cut cuts, err error) {
	if t < 0 {
		return nil, cut, errUnsupported
	}
	c, every := q.cut(t)
	if c.Batch {
		return q.whole(ctx, &c, t)
	}
	if vec, cut, err = q.merged(ctx, &c, t); !errors.Is(err, errHistograms) {
		return vec, cut, err
	}
	// What becomes of a flow when a metric turns out to hold histograms.
	flow := flowdef.Flow{PromQL: q.String(), Every: every, Lookback: flowdef.DefaultLookback, Expr: c}
	if c = flow.ForHistograms(); c.Batch {
		return q.whole(ctx, &c, t)
	}
	return q.merged(ctx, &c, t)
}

// merged computes the expression from panes.
func (q *adapted) merged(ctx context.Context, c *flowdef.Compiled, t int64) (vec promeval.Vector, cut cuts, err error) {
	cut = cuts{panes: math.MaxInt64, occupied: math.MaxInt64}
	vectors := make([]promeval.Vector, len(c.Leaves))
	for i := range c.Leaves {
		l := &c.Leaves[i]
		m, raw, err := q.read(ctx, l, t)
		if err != nil {
			return nil, cut, err
		}
		holds := slices.ContainsFunc(raw.Histograms, func(column [][]byte) bool { return column != nil })
		if cut.histograms = cut.histograms || holds; holds && !l.Native {
			return nil, cut, errHistograms
		}
		span := l.Bounds(t)
		panes := keep.NewLeaf(l, l.Range, "", false).NewState(span.After, nil)
		if l.Native {
			if vectors[i], err = native(panes, m, raw, span); err != nil {
				return nil, cut, err
			}
			cut.panes, cut.occupied = min(cut.panes, l.Panes), min(cut.occupied, int64(len(panes.Occupied())))
			continue
		}
		keep.FoldColumns(panes, raw.Columns, len(m.GroupOf))
		cut.panes, cut.occupied = min(cut.panes, l.Panes), min(cut.occupied, int64(len(panes.Occupied())))
		samples, err := keep.LeafVector(panes, m, span, keep.EveryGroup())
		if err != nil {
			return nil, cut, err
		}
		for _, s := range samples {
			vectors[i] = append(vectors[i], promeval.Sample{Metric: m.Groups[s.Group].Labels, Value: s.Value})
		}
	}
	vec, err = q.a.eval.Residual(ctx, c.Residual, vectors, t)
	return vec, cut, err
}

// native is the vector of a leaf whose series may hold native histograms.
func native(panes keep.State, m *keep.Members, raw *read.MixedColumns, span sequence.Span) (vec promeval.Vector, err error) {
	for c, slot := range raw.Slot {
		ts, vs, hists, err := raw.Parted(c)
		if err != nil {
			return nil, err
		}
		panes.FoldSorted(slot, len(m.GroupOf), ts, vs)
		panes.FoldHistograms(slot, len(m.GroupOf), hists)
	}
	samples, err := keep.NativeVector(panes, m, span, keep.EveryGroup())
	for _, s := range samples {
		vec = append(vec, promeval.Sample{Metric: m.Groups[s.Group].Labels, Value: s.Value, Histogram: s.Histogram})
	}
	return vec, err
}

// cut compiles the expression for a random step that t is a multiple of, so
// that windows are cut into panes in another way each time.
func (q *adapted) cut(t int64) (c flowdef.Compiled, every int64) {
	base := t
	if base == 0 {
		base = 60_000
	}
	for range 50 {
		k := 1 + q.a.rng.Int64N(200)
		if base%k != 0 {
			continue
		}
		c, _, err := flowdef.Compile(q.String(), base/k)
		if one := func(l flowdef.Leaf) bool { return l.Panes == 1 }; err == nil && (c.Batch ||
			c.Mode() == flowdef.ModeIncremental && !slices.ContainsFunc(c.Leaves, one)) {
			return c, base / k
		}
	}
	c, _, err := flowdef.Compile(q.String(), base)
	if err != nil {
		panic(err) // it compiled for a minute
	}
	return c, base
}

// read is what the leaf selects in the window that ends at t.
func (q *adapted) read(ctx context.Context, l *flowdef.Leaf, t int64) (*keep.Members, *read.MixedColumns, error) {
	span := l.Bounds(t)
	querier, err := q.from.Querier(span.After+1, span.UpTo)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = querier.Close() }()
	m, raw := keep.NewMembers(l), &read.MixedColumns{Columns: &keep.Columns{}}
	set := querier.Select(ctx, true, nil, l.Matchers...)
	for set.Next() {
		ts, vs, hs, err := samplesOf(set.At().Iterator(nil), span)
		if err != nil {
			return nil, nil, err
		}
		one := series.Series{ID: sequence.SeriesID(len(m.Series) + 1), Metric: 1}
		set.At().Labels().Range(func(x labels.Label) {
			one.Labels = append(one.Labels, series.Label{Name: x.Name, Value: x.Value})
		})
		if l.Func == nil {
			one.ID = q.a.idOf(set.At().Labels())
		}
		if !m.Add(&one) {
			return nil, nil, fmt.Errorf("leaf %s does not take series %s", l.Text, set.At().Labels())
		}
		raw.Slot = append(raw.Slot, m.Slots[len(m.Slots)-1])
		raw.Times, raw.Values, raw.Histograms = append(raw.Times, ts), append(raw.Values, vs), append(raw.Histograms, hs)
	}
	return m, raw, set.Err()
}

// idOf gives a series of any leaf one id.
func (a *adapter) idOf(lset labels.Labels) sequence.SeriesID {
	key := lset.String()
	if a.ids[key] == 0 {
		a.ids[key] = sequence.SeriesID(len(a.ids) + 1)
	}
	return a.ids[key]
}

// samplesOf reads the samples in the span; hs is nil where there is no
// histogram, which goes through the form in which it is stored.
func samplesOf(it chunkenc.Iterator, span sequence.Span) (ts []int64, vs []float64, hs [][]byte, err error) {
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		if t := it.AtT(); !span.Holds(t) {
			continue
		} else if it.AtST() != 0 || t < 0 {
			return nil, nil, nil, errUnsupported
		}
		var (
			v       float64
			payload []byte
		)
		switch kind {
		case chunkenc.ValFloat:
			_, v = it.At()
		case chunkenc.ValHistogram:
			_, h := it.AtHistogram(nil)
			v = h.Sum
			payload, err = nativehist.Append(nil, h)
		default:
			_, h := it.AtFloatHistogram(nil)
			v = h.Sum
			payload, err = nativehist.AppendFloat(nil, h)
		}
		if err != nil {
			return nil, nil, nil, err
		}
		ts, vs = append(ts, it.AtT()), append(vs, v)
		if payload != nil || hs != nil {
			for len(hs) < len(vs)-1 {
				hs = append(hs, nil)
			}
			hs = append(hs, payload)
		}
	}
	return ts, vs, hs, it.Err()
}

// value is the vectors in the form of the engine's value.
func (q *adapted) value(vectors []promeval.Vector, want *promql.Result) parser.Value {
	if q.isRange {
		wanted, _ := want.Value.(promql.Matrix)
		return q.matrix(vectors, wanted)
	}
	if _, ok := want.Value.(promql.Scalar); ok {
		return promql.Scalar{T: q.start, V: vectors[0][0].Value}
	}
	wanted, _ := want.Value.(promql.Vector)
	out := make(promql.Vector, len(vectors[0]))
	for i, s := range vectors[0] {
		out[i] = promql.Sample{Metric: s.Metric, T: q.start, F: s.Value, H: s.Histogram}
		for _, w := range wanted {
			if labels.Equal(w.Metric, s.Metric) {
				sayNoReset(s.Histogram, w.H)
			}
		}
	}
	return out
}

// sayNoReset makes a histogram say that no counter reset comes before it where
// the wanted one says so: that is not kept, because late samples can make it
// untrue. No number depends on it.
func sayNoReset(h, wanted *histogram.FloatHistogram) {
	if h != nil && wanted != nil && wanted.CounterResetHint == histogram.NotCounterReset && h.CounterResetHint == histogram.UnknownCounterReset {
		h.CounterResetHint = histogram.NotCounterReset
	}
}

func (q *adapted) matrix(vectors []promeval.Vector, want promql.Matrix) promql.Matrix {
	var out promql.Matrix
	at := map[string]int{}
	for i, vec := range vectors {
		for _, s := range vec {
			key := s.Metric.String()
			n, ok := at[key]
			if !ok {
				n = len(out)
				at[key] = n
				out = append(out, promql.Series{Metric: s.Metric})
			}
			if at := q.start + int64(i)*q.step; s.Histogram != nil {
				out[n].Histograms = append(out[n].Histograms, promql.HPoint{T: at, H: s.Histogram})
				for _, w := range want {
					for _, p := range w.Histograms {
						if p.T == at && labels.Equal(w.Metric, s.Metric) {
							sayNoReset(s.Histogram, p.H)
						}
					}
				}
			} else {
				out[n].Floats = append(out[n].Floats, promql.FPoint{T: at, F: s.Value})
			}
		}
	}
	slices.SortFunc(out, func(a, b promql.Series) int { return labels.Compare(a.Metric, b.Metric) })
	return out
}
