package query

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"laminar/flownode/progress"
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
	// For a look-up of series no sample is read, except those of few windows of flows.
	sampled := hints == nil || hints.Func != "series"
	if err == nil && sampled {
		err = q.read(ctx, found)
	}
	for i := range found.flows {
		if err == nil {
			err = q.readFlow(ctx, &found.flows[i], found, ms, sampled)
		}
	}
	if err != nil {
		return storage.ErrSeriesSet(readError(err))
	}
	byLabels := func(a, b *oneSeries) int { return labels.Compare(a.labels, b.labels) }
	switch {
	case len(found.flows) > 1:
		// Rules of one record can have a series in common. They were read by their numbers.
		slices.SortStableFunc(found.list, byLabels)
		found.list = joined(found.list)
	case sorted || len(found.metrics)+len(found.flows) > 1: // those of one metric are in order
		slices.SortFunc(found.list, byLabels)
	}
	return &seriesSet{list: found.list, infos: found.infos}
}

// readFlow adds the series of a flow, with all their samples or with those of the windows
// by which they are looked up.
func (q *querier) readFlow(ctx context.Context, flow *progress.Flow, f *found, ms []*labels.Matcher, sampled bool) error {
	span := f.span
	if !sampled {
		span = newest(flow, span)
	}
	list, err := q.r.readFlow(ctx, flow, span, others(ms))
	f.list = append(f.list, list...)
	return err
}

// readError says what could not be read. Limits and ended contexts are errors of the query.
func readError(err error) error {
	var many promql.ErrTooManySamples
	if errors.As(err, &many) {
		return many
	}
	for _, limit := range []error{ErrMemory, ErrBusy, ErrQueue, ErrTurn} {
		if errors.Is(err, limit) {
			return limit
		}
	}
	var already *StorageError
	switch {
	case errors.Is(err, context.Canceled):
		return promql.ErrQueryCanceled("query execution")
	case errors.Is(err, context.DeadlineExceeded):
		return promql.ErrQueryTimeout("query execution")
	case errors.As(err, &already):
		return err
	}
	return &StorageError{err}
}

// NotRead reports whether an error says that something could not be read, and not that
// the query is wrong.
func NotRead(err error) bool {
	var (
		unread   *StorageError
		canceled promql.ErrQueryCanceled
		late     promql.ErrQueryTimeout
	)
	return errors.As(err, &unread) || errors.As(err, &canceled) || errors.As(err, &late) || errors.Is(err, ErrBusy) || errors.Is(err, ErrQueue) || errors.Is(err, ErrEnded)
}

// What is held of a series beside its samples, bytes. Its labels are the index's.
const (
	foundBytes  = 48      // its id and its place in a list
	columnBytes = 80 + 16 // its column, and where that is found by its id
	textBytes   = 96      // a name or a value of a label, among others that are not the same
	textsAtOnce = 1 << 10 // so many of them are counted at once
)

// found is the series that match, with what their samples are read by: series i has
// ids[i], and is of one of the metrics.
type found struct {
	span    sequence.Span
	metrics []sequence.MetricID
	ids     []sequence.SeriesID
	list    []*oneSeries

	whole []series.Metric // all of whose series match; they are not in list
	flows []progress.Flow // whose names match; their series are read elsewhere
	infos annotations.Annotations
}

// find finds the series that match, among metrics that have samples in the span.
func (q *querier) find(ctx context.Context, span sequence.Span, ms []*labels.Matcher) (*found, error) {
	f := &found{}
	snap, err := q.r.snapshot(ctx)
	if err != nil {
		return f, err
	}
	f.span = span
	if f.flows, err = q.r.flows(ctx, ms); err != nil {
		return f, err
	}
	span = q.r.kept(span)
	metrics, err := q.metrics(ctx, f, span, ms)
	if err != nil {
		return f, err
	}
	rest := others(ms)
	for _, metric := range metrics {
		set, err := q.r.labels.Series(ctx, snap, metric.Name)
		if err != nil {
			return f, err
		}
		before := len(f.ids)
		for i := range set {
			lset := set[i].Labels
			if matchesAll(lset, rest) {
				f.ids = append(f.ids, set[i].ID)
				f.list = append(f.list, &oneSeries{labels: lset})
			}
		}
		if len(f.ids) > before {
			f.metrics = append(f.metrics, metric.ID)
		}
		if err := q.r.hold(0, int64(len(f.ids)-before)*foundBytes); err != nil {
			return f, err
		}
	}
	return f, nil
}

// metrics is the metrics whose names match, and which have samples in the span. Those
// that have the name of a flow are left out: the flow is read, and the answer says so.
func (q *querier) metrics(ctx context.Context, f *found, span sequence.Span, ms []*labels.Matcher) ([]series.Metric, error) {
	names := namesOf(ms)
	if names != nil && len(f.flows) > 0 {
		// There is only one name, and flows have it.
		if slices.ContainsFunc(f.flows, func(flow progress.Flow) bool { return q.r.snap.Hides(flow.ID) }) {
			f.hidden(names[0])
		}
		return nil, nil
	}
	list, err := q.r.snap.Metrics(ctx, names, span)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(metric series.Metric) bool {
		hidden := slices.ContainsFunc(f.flows, func(flow progress.Flow) bool { return flow.Def.Name == metric.Name })
		if hidden {
			f.hidden(metric.Name)
		}
		return hidden || !nameMatches(metric.Name, ms)
	}), nil
}

// hidden says that raw samples are not read because a flow has their name.
func (f *found) hidden(name string) {
	f.infos.Add(fmt.Errorf("%w: %s is a flow: raw samples of that name are not read", annotations.PromQLInfo, name))
}

// others is the matchers of other labels than the name.
func others(ms []*labels.Matcher) []*labels.Matcher {
	return slices.DeleteFunc(slices.Clone(ms), func(m *labels.Matcher) bool { return m.Name == model.MetricNameLabel })
}

// maxLanes is how many goroutines take the samples of one reading.
const maxLanes = 4

// read reads the samples of what was found, and leaves out series that have none.
func (q *querier) read(ctx context.Context, f *found) error {
	span := q.r.kept(f.span)
	if len(f.ids) == 0 || span.Empty() {
		f.list = nil
		return nil
	}
	snap, err := q.r.snapshot(ctx)
	if err != nil {
		return err
	}
	if err := q.r.hold(0, int64(len(f.ids))*columnBytes); err != nil {
		return err
	}
	columns, err := samples.Read(ctx, snap, f.metrics, f.ids, span, min(maxLanes, runtime.GOMAXPROCS(0)), q.r)
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
		if name == model.MetricNameLabel {
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
	var full error // once these are too many
	add := func(text string) {
		before := len(seen)
		if full != nil {
			return
		}
		if seen[text] = struct{}{}; len(seen) > before && before%textsAtOnce == 0 {
			full = q.r.hold(0, textsAtOnce*textBytes)
		}
	}
	rest := others(ms)
	f, err := q.matching(ctx, ms, len(rest) > 0)
	if err != nil {
		return nil, readError(err)
	}
	for _, metric := range f.whole {
		texts, err := whole(q.r.snap, metric.Name)
		if err != nil {
			return nil, readError(err)
		}
		// Of one metric they are distinct and in order, and can be a million.
		if len(f.whole) == 1 && len(f.flows) == 0 {
			return limited(texts, hints), nil
		}
		for _, text := range texts {
			add(text)
		}
		if full != nil {
			return nil, readError(full)
		}
	}
	for i := range f.flows {
		if err := q.readFlow(ctx, &f.flows[i], f, ms, false); err != nil {
			return nil, readError(err)
		}
	}
	for _, one := range f.list {
		of(one.labels, add)
	}
	if full != nil {
		return nil, readError(full)
	}
	out := make([]string, 0, len(seen))
	for text := range seen {
		out = append(out, text)
	}
	slices.Sort(out)
	return limited(out, hints), nil
}

// limited is no more texts than the hints allow.
func limited(texts []string, hints *storage.LabelHints) []string {
	if hints != nil && hints.Limit > 0 && len(texts) > hints.Limit {
		return texts[:hints.Limit]
	}
	return texts
}

// matching is the series that match; where only the name is matched, the metrics.
func (q *querier) matching(ctx context.Context, ms []*labels.Matcher, bySeries bool) (*found, error) {
	if bySeries {
		return q.find(ctx, q.span, ms)
	}
	f := &found{span: q.span}
	flows, err := q.r.flows(ctx, ms)
	if err != nil {
		return nil, err
	}
	f.flows = flows
	f.whole, err = q.metrics(ctx, f, q.r.kept(q.span), ms)
	return f, err
}
