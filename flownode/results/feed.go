package results

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/sequence"
)

// Feed is the results of one flow: what is stored in its table, and over it what the
// round under way makes of it. It lives as long as the flow is loaded; what it
// remembers is ahead of the table until the round is committed.
//
//	D1  windows with an end <= before are in the table, but for those in windows
//	D2  windows in (before, until] are in windows, or have no rows; until moves as the
//	    windows of a flow are computed that reads itself, and else when all of them are
//	D3  every series with a row in a window that ends in known has a number
//	D4  at lastEnd, exactly the series in last have a row
type Feed struct {
	records *Records
	flow    *progress.Flow
	layout  *flowdef.Layout
	metric  sequence.MetricID
	ids     map[string]sequence.SeriesID // by columns
	own     map[sequence.SeriesID]struct{}
	key     []byte // scratch
	hists   bool   // some result that was seen is a histogram

	last    map[sequence.SeriesID]struct{}
	lastEnd sequence.Time // sequence.NoTime when it is not known

	known sequence.Spans // window ends of which all rows have numbers

	// Of the round under way.
	before, until      sequence.Time // emitted-until; sequence.NoTime before there is a window
	windows            map[sequence.Time]*laid
	ordered, unordered samples // what the round changes, when it is finished

	// What was read of the table, and for which ends.
	got    []progress.Window
	gotFor sequence.Span
}

// NewFeed is for a flow that was loaded. Names of metrics are numbered, series when
// they are seen.
func (r *Records) NewFeed(f *progress.Flow) *Feed {
	return &Feed{
		records: r, flow: f, layout: flowdef.NewLayout(f.Def), metric: r.metric(f.Def.Name), ids: map[string]sequence.SeriesID{}, own: map[sequence.SeriesID]struct{}{},
		lastEnd: sequence.NoTime, before: sequence.NoTime, until: sequence.NoTime,
	}
}

// Name is the metric's name.
func (f *Feed) Name() string { return f.flow.Def.Name }

// Record is the flow's title without its number among the rules of its record.
func (f *Feed) Record() string { return f.flow.Def.RecordTitle() }

// Metric is the metric's number.
func (f *Feed) Metric() sequence.MetricID { return f.metric }

// atOnce is how many windows are looked through at a time for series that have no
// number yet.
const atOnce = 512

// rowsAhead is how many rows of later windows are read with those of a window that is
// corrected, about: the correction may walk on to them.
const rowsAhead = 20_000

// Know gives numbers to the series that have a sample in the span. It reads the table
// once for each stretch of time.
func (f *Feed) Know(ctx context.Context, tables read.Results, span sequence.Span) error {
	if f.until == sequence.NoTime {
		return nil
	}
	all := sequence.Span{After: max(span.After-f.every(), sequence.NoTime), UpTo: min(span.UpTo, f.before)}
	for _, ends := range missing(f.known, all) {
		for ; !ends.Empty(); ends.After += atOnce * f.every() {
			some := sequence.Span{After: ends.After, UpTo: min(ends.UpTo, ends.After+atOnce*f.every())}
			windows, err := f.stored(ctx, tables, some)
			if err != nil {
				return err
			}
			f.number(windows)
		}
	}
	f.known = sequence.Union(append(f.known, all)...)
	return nil
}

// number gives numbers to the series of rows.
func (f *Feed) number(windows []progress.Window) {
	for i := range windows {
		for j := range windows[i].Rows {
			f.id(windows[i].Rows[j].Columns)
			f.value(&windows[i].Rows[j])
		}
	}
}

// missing is what of the span is not in the spans.
func missing(have sequence.Spans, span sequence.Span) sequence.Spans {
	var out sequence.Spans
	for _, h := range have {
		if h.UpTo <= span.After {
			continue
		}
		if h.After >= span.UpTo {
			break
		}
		if h.After > span.After {
			out = append(out, sequence.Span{After: span.After, UpTo: h.After})
		}
		span.After = max(span.After, h.UpTo)
	}
	if !span.Empty() {
		out = append(out, span)
	}
	return out
}

// Begin begins a round, in which the flow's windows up to before are closed.
func (f *Feed) Begin(before sequence.Time) {
	f.before, f.until = before, before
	f.windows, f.ordered, f.unordered = map[sequence.Time]*laid{}, samples{}, samples{}
	f.got, f.gotFor = nil, sequence.Span{}
}

// ShowUntil lets a flow that reads its own results see them up to an end, those of the
// round under way among them: closed windows up to there that were not noted have no rows.
func (f *Feed) ShowUntil(until sequence.Time) { f.until = until }

// Differs reports whether rows are others than those that the window, which is closed,
// has so far.
func (f *Feed) Differs(ctx context.Context, tables read.Results, end sequence.Time, rows []progress.Row) (bool, error) {
	old := map[sequence.SeriesID]value{}
	err := f.each(ctx, tables, sequence.Between(end, end), func(id sequence.SeriesID, _ sequence.Time, v value) error {
		if !v.isStale() {
			old[id] = v
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	for i := range rows {
		v, ok := old[f.id(rows[i].Columns)]
		if !ok || !v.same(f.value(&rows[i])) {
			return true, nil
		}
	}
	return len(rows) != len(old), nil
}

// Window notes what the round makes of a closed window. If it is complete there are
// no other rows; otherwise rows that are named neither here nor there stay as they
// are stored. Of two words about one window the later holds, row by row.
func (f *Feed) Window(end sequence.Time, complete bool, rows []progress.Row, gone [][]string) {
	w := f.windows[end]
	if w == nil || complete {
		w = &laid{complete: complete, rows: make(map[sequence.SeriesID]value, len(rows)), gone: map[sequence.SeriesID]struct{}{}}
		f.windows[end] = w
	}
	for i := range rows {
		id := f.id(rows[i].Columns)
		w.rows[id] = f.value(&rows[i])
		delete(w.gone, id)
	}
	for _, columns := range gone {
		id := f.id(columns)
		delete(w.rows, id)
		w.gone[id] = struct{}{}
	}
}

// value is a row's, and notes whether the flow has results that are histograms.
func (f *Feed) value(row *progress.Row) value {
	f.hists = f.hists || row.Histogram != nil
	return valueOf(row)
}

// Has reports whether a series is of the flow's results.
func (f *Feed) Has(id sequence.SeriesID) bool {
	_, ok := f.own[id]
	return ok
}

// id is the number of the series with these columns.
func (f *Feed) id(columns []string) sequence.SeriesID {
	f.key = appendKey(f.key[:0], columns)
	id, ok := f.ids[string(f.key)]
	if !ok {
		id = f.records.number(f.flow.Def.Name, f.layout.Labels(columns), f.flow.ID)
		f.ids[string(f.key)], f.own[id] = id, struct{}{}
	}
	return id
}

// Finish ends the flow's part of the round, in which its windows up to until were
// closed, and finds what the round changes. Closed windows that were there before
// are compared with the table: a row that is written again with its value changes
// nothing.
//
// What a change at one end changes at the next is whether a marker stands there.
func (f *Feed) Finish(ctx context.Context, tables read.Results, until sequence.Time) error {
	f.until = until
	if until == sequence.NoTime {
		return nil
	}
	if err := f.corrections(ctx, tables); err != nil {
		return err
	}
	if err := f.findLast(ctx, tables); err != nil {
		return err
	}
	if until == f.before {
		return nil
	}
	walk := Walk[sequence.SeriesID, value]{Every: f.every(), Until: until, Stale: stale, Sample: func(id sequence.SeriesID, t sequence.Time, v value) {
		if t > f.before {
			f.ordered.add(id, t, v)
		}
	}}
	walk.Window(f.before)
	for id := range f.last {
		walk.Row(id, value{})
	}
	last := map[sequence.SeriesID]struct{}{}
	for _, end := range sorted(f.windows) {
		if end <= f.before {
			continue
		}
		walk.Window(end)
		for _, id := range sorted(f.windows[end].rows) {
			walk.Row(id, f.windows[end].rows[id])
			if end == until {
				last[id] = struct{}{}
			}
		}
	}
	walk.Done()
	f.last, f.lastEnd = last, until
	f.known = sequence.Union(append(f.known, sequence.Span{After: f.before, UpTo: until})...)
	return nil
}

func (f *Feed) every() int64 { return f.flow.Def.Every }

// corrections finds what changed in windows that were closed before.
func (f *Feed) corrections(ctx context.Context, tables read.Results) error {
	var ends []sequence.Time
	for end := range f.windows {
		if end <= f.before {
			ends = append(ends, end)
		}
	}
	for _, span := range near(ends, f.every()) {
		if err := f.compare(ctx, tables, span); err != nil {
			return err
		}
	}
	return nil
}

// compare compares the windows that end in the span with the table.
func (f *Feed) compare(ctx context.Context, tables read.Results, span sequence.Span) error {
	stored, err := f.stored(ctx, tables, sequence.Span{After: span.After, UpTo: span.UpTo + f.every()})
	if err != nil {
		return err
	}
	old := map[sequence.Time]map[sequence.SeriesID]value{}
	for i := range stored {
		w := &stored[i]
		if old[w.End] == nil {
			old[w.End] = map[sequence.SeriesID]value{}
		}
		for j := range w.Rows {
			old[w.End][f.id(w.Rows[j].Columns)] = f.value(&w.Rows[j])
		}
	}
	changed := map[sequence.SeriesID]map[sequence.Time]struct{}{}
	change := func(id sequence.SeriesID, t sequence.Time) {
		if changed[id] == nil {
			changed[id] = map[sequence.Time]struct{}{}
		}
		changed[id][t] = struct{}{}
		if t += f.every(); t <= f.before {
			changed[id][t] = struct{}{}
		}
	}
	for end, w := range f.windows {
		if !span.Holds(end) {
			continue
		}
		for id, v := range w.rows {
			if before, ok := old[end][id]; !ok || !before.same(v) {
				change(id, end)
			}
		}
		for id := range old[end] {
			if _, ok := w.rows[id]; !ok && w.removes(id) {
				change(id, end)
			}
		}
	}
	for _, id := range sorted(changed) {
		for _, t := range sorted(changed[id]) {
			v, ok := f.windows[t].of(id, old[t])
			if !ok {
				v = stale
			}
			f.unordered.add(id, t, v)
		}
	}
	return nil
}

// findLast makes last the series that have a row at before.
func (f *Feed) findLast(ctx context.Context, tables read.Results) error {
	if f.lastEnd == f.before && f.windows[f.before] == nil {
		return nil
	}
	f.last, f.lastEnd = map[sequence.SeriesID]struct{}{}, f.before
	return f.each(ctx, tables, sequence.Between(f.before, f.before), func(id sequence.SeriesID, _ sequence.Time, v value) error {
		if !v.isStale() {
			f.last[id] = struct{}{}
		}
		return nil
	})
}

// stored is the rows of the table in windows that end in the span and were closed
// before the round.
func (f *Feed) stored(ctx context.Context, tables read.Results, ends sequence.Span) ([]progress.Window, error) {
	ends.UpTo = min(ends.UpTo, f.before)
	if ends.Empty() {
		return nil, nil
	}
	if !f.gotFor.Covers(ends) {
		all := ends
		if f.until < f.before {
			// The flow reads itself, and corrects window by window.
			ahead := min(atOnce, rowsAhead/int64(max(1, len(f.own))))
			all.UpTo = min(f.before, all.UpTo+ahead*f.every())
		}
		windows, err := tables.StoredResults(ctx, f.flow, all)
		if err != nil {
			return nil, fmt.Errorf("read results of %s in %s: %w", f.flow.Def.Title(), all, err)
		}
		f.got, f.gotFor = windows, all
	}
	from, _ := slices.BinarySearchFunc(f.got, ends.After+1, byEnd)
	to, _ := slices.BinarySearchFunc(f.got, ends.UpTo+1, byEnd)
	return f.got[from:to], nil
}

func byEnd(w progress.Window, end sequence.Time) int {
	switch {
	case w.End < end:
		return -1
	case w.End > end:
		return 1
	}
	return 0
}

// each calls use for every sample in the span, in the order of times: what is stored,
// with the round's windows laid over it. A row that the round takes away has a marker
// in its place. It ends with the first error of use.
func (f *Feed) each(ctx context.Context, tables read.Results, span sequence.Span, use func(id sequence.SeriesID, t sequence.Time, v value) error) error {
	if f.until == sequence.NoTime {
		return nil
	}
	ends := sequence.Span{After: max(span.After-f.every(), sequence.NoTime), UpTo: min(span.UpTo, f.until)}
	stored, err := f.stored(ctx, tables, ends)
	if err != nil {
		return err
	}
	var failed error
	in := func(id sequence.SeriesID, t sequence.Time, v value) {
		if failed == nil && span.Holds(t) {
			failed = use(id, t, v)
		}
	}
	walk := Walk[sequence.SeriesID, value]{Every: f.every(), Until: f.until, Stale: stale, Sample: in}
	// Windows of the table and of the round, by their ends.
	over := make([]sequence.Time, 0, len(f.windows))
	for end := range f.windows {
		if ends.Holds(end) {
			over = append(over, end)
		}
	}
	slices.Sort(over)
	for len(stored) > 0 || len(over) > 0 {
		end := sequence.EndOfTime
		if len(stored) > 0 {
			end = stored[0].End
		}
		if len(over) > 0 {
			end = min(end, over[0])
		}
		walk.Window(end)
		w := f.windows[end]
		if len(over) > 0 && over[0] == end {
			over = over[1:]
		}
		for ; len(stored) > 0 && stored[0].End == end; stored = stored[1:] {
			for i := range stored[0].Rows {
				row := &stored[0].Rows[i]
				id := f.id(row.Columns)
				if w == nil {
					walk.Row(id, f.value(row))
					continue
				}
				if _, again := w.rows[id]; again {
					continue
				}
				if w.removes(id) {
					in(id, end, removed)
				} else {
					walk.Row(id, f.value(row))
				}
			}
		}
		if w != nil {
			for _, id := range sorted(w.rows) {
				walk.Row(id, w.rows[id])
			}
		}
	}
	walk.Done()
	return failed
}

// sorted is the keys of a map, ascending.
func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
