package query

import (
	"context"
	"errors"
	"runtime"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"

	"laminar/query/samples"
	"laminar/sequence"
	"laminar/sequence/series"
)

// spanOf is the times from mint to maxt, as far as samples can have them. Those who ask
// for everything ask for times that no sample has.
func spanOf(mint, maxt int64) sequence.Span {
	return sequence.Span{After: max(mint, 0) - 1, UpTo: min(maxt, sequence.EndOfTime)}
}

// querier reads for one query. It is a storage.Querier.
type querier struct {
	r    *reading
	span sequence.Span
}

// Close implements storage.Querier. Nothing is read after it.
func (q *querier) Close() error {
	q.r.closeSnapshot()
	return nil
}

// Select reads the series that match, with their samples in the hints' time. For a
// look-up of series (Func is "series") no sample is read.
func (q *querier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	defer q.r.selected()
	span := q.span
	if hints != nil {
		span = spanOf(hints.Start, hints.End)
	}
	found, err := q.find(ctx, span, ms)
	if err == nil && (hints == nil || hints.Func != "series") {
		err = q.read(ctx, found)
	}
	if err != nil {
		return storage.ErrSeriesSet(readError(err))
	}
	// Those of one metric are in order.
	if sorted || len(found.metrics) > 1 {
		slices.SortFunc(found.list, func(a, b *oneSeries) int { return labels.Compare(a.labels, b.labels) })
	}
	return &seriesSet{list: found.list}
}

// readError says what could not be read. Limits and ended contexts are errors of the query.
func readError(err error) error {
	var samples promql.ErrTooManySamples
	if errors.As(err, &samples) {
		return samples
	}
	for _, limit := range []error{ErrMemory, ErrBusy, ErrQueue} {
		if errors.Is(err, limit) {
			return limit
		}
	}
	var already *StorageError
	if errors.As(err, &already) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &StorageError{err}
}

// found is the series that match, with what their samples are read by: series i has
// ids[i], and is of one of the metrics.
type found struct {
	span    sequence.Span
	metrics []sequence.MetricID
	ids     []sequence.SeriesID
	list    []*oneSeries
}

// find finds the series that match, among metrics that have samples in the span.
func (q *querier) find(ctx context.Context, span sequence.Span, ms []*labels.Matcher) (*found, error) {
	snap, err := q.r.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	span = q.r.kept(span)
	metrics, err := q.metrics(ctx, snap, span, ms)
	if err != nil {
		return nil, err
	}
	f := &found{span: span}
	rest := others(ms)
	for _, metric := range metrics {
		set, err := q.r.labels.Series(ctx, snap, metric.Name)
		if err != nil {
			return nil, err
		}
		before := len(f.ids)
		for i := range set {
			lset := set[i].Labels
			// A label that is missing is the empty text.
			if !slices.ContainsFunc(rest, func(m *labels.Matcher) bool { return !m.Matches(lset.Get(m.Name)) }) {
				f.ids = append(f.ids, set[i].ID)
				f.list = append(f.list, &oneSeries{labels: lset})
			}
		}
		if len(f.ids) > before {
			f.metrics = append(f.metrics, metric.ID)
		}
	}
	return f, nil
}

// metrics is the metrics whose names match, and which have samples in the span.
func (q *querier) metrics(ctx context.Context, snap Snapshot, span sequence.Span, ms []*labels.Matcher) ([]series.Metric, error) {
	var names []string // nil for all
	for _, m := range ms {
		if m.Name == labels.MetricName && m.Type == labels.MatchEqual {
			names = []string{m.Value}
		}
	}
	list, err := snap.Metrics(ctx, names, span)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(metric series.Metric) bool {
		for _, m := range ms {
			if m.Name == labels.MetricName && !m.Matches(metric.Name) {
				return true
			}
		}
		return false
	}), nil
}

// others is the matchers of other labels than the name.
func others(ms []*labels.Matcher) []*labels.Matcher {
	return slices.DeleteFunc(slices.Clone(ms), func(m *labels.Matcher) bool { return m.Name == labels.MetricName })
}

// maxLanes is how many goroutines take the samples of one reading.
const maxLanes = 4

// read reads the samples of what was found, and leaves out series that have none.
func (q *querier) read(ctx context.Context, f *found) error {
	if len(f.ids) == 0 || f.span.Empty() {
		f.list = nil
		return nil
	}
	snap, err := q.r.snapshot(ctx)
	if err != nil {
		return err
	}
	columns, err := samples.Read(ctx, snap, f.metrics, f.ids, f.span, min(maxLanes, runtime.GOMAXPROCS(0)), q.r)
	if err != nil {
		return err
	}
	n := 0
	for i := range columns {
		if len(columns[i].Times) > 0 {
			f.list[i].column = &columns[i]
			f.list[n] = f.list[i]
			n++
		}
	}
	f.list = f.list[:n]
	return nil
}

// LabelValues implements storage.LabelQuerier.
func (q *querier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	values, err := q.distinct(ctx, hints, ms, func(snap Snapshot, metric string) ([]string, error) {
		if name == labels.MetricName {
			// A metric without series has no samples either.
			return []string{metric}, nil
		}
		return q.r.labels.Values(ctx, snap, metric, name)
	}, func(lset labels.Labels, add func(string)) {
		if v := lset.Get(name); v != "" {
			add(v)
		}
	})
	return values, nil, err
}

// LabelNames implements storage.LabelQuerier.
func (q *querier) LabelNames(ctx context.Context, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	names, err := q.distinct(ctx, hints, ms, func(snap Snapshot, metric string) ([]string, error) {
		return q.r.labels.Names(ctx, snap, metric)
	}, func(lset labels.Labels, add func(string)) {
		lset.Range(func(l labels.Label) { add(l.Name) })
	})
	return names, nil, err
}

// distinct is the distinct texts, ascending, that the series that match give: of gives
// those of one series, whole those of a whole metric, where only the name is matched.
func (q *querier) distinct(ctx context.Context, hints *storage.LabelHints, ms []*labels.Matcher,
	whole func(snap Snapshot, metric string) ([]string, error), of func(labels.Labels, func(string)),
) ([]string, error) {
	seen := map[string]struct{}{}
	add := func(text string) { seen[text] = struct{}{} }
	if rest := others(ms); len(rest) > 0 {
		f, err := q.find(ctx, q.span, ms)
		if err != nil {
			return nil, readError(err)
		}
		for _, one := range f.list {
			of(one.labels, add)
		}
	} else {
		snap, err := q.r.snapshot(ctx)
		if err != nil {
			return nil, readError(err)
		}
		metrics, err := q.metrics(ctx, snap, q.r.kept(q.span), ms)
		if err != nil {
			return nil, readError(err)
		}
		for _, metric := range metrics {
			texts, err := whole(snap, metric.Name)
			if err != nil {
				return nil, readError(err)
			}
			for _, text := range texts {
				add(text)
			}
		}
	}
	out := make([]string, 0, len(seen))
	for text := range seen {
		out = append(out, text)
	}
	slices.Sort(out)
	if hints != nil && hints.Limit > 0 && len(out) > hints.Limit {
		out = out[:hints.Limit]
	}
	return out, nil
}

// oneSeries is a series with its samples; it has none where only labels were asked for.
type oneSeries struct {
	labels labels.Labels
	column *samples.Column
}

// Labels implements storage.Series.
func (s *oneSeries) Labels() labels.Labels { return s.labels }

// Iterator implements storage.Series.
func (s *oneSeries) Iterator(again chunkenc.Iterator) chunkenc.Iterator {
	if s.column == nil {
		return chunkenc.NewNopIterator()
	}
	return s.column.Iterator(again)
}

// seriesSet is a storage.SeriesSet in memory.
type seriesSet struct {
	list []*oneSeries
	next int
}

// Next implements storage.SeriesSet.
func (s *seriesSet) Next() bool {
	s.next++
	return s.next <= len(s.list)
}

// At implements storage.SeriesSet.
func (s *seriesSet) At() storage.Series { return s.list[s.next-1] }

// Err implements storage.SeriesSet.
func (s *seriesSet) Err() error { return nil }

// Warnings implements storage.SeriesSet.
func (s *seriesSet) Warnings() annotations.Annotations { return nil }
