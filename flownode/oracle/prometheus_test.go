package oracle

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/prometheus/prometheus/util/teststorage"

	"laminar/flownode/promeval"
)

// prometheus is a rule manager over a database of its own, whose groups are evaluated
// when a test says so.
type prometheus struct {
	testing.TB
	db     *teststorage.TestStorage
	groups []*rules.Group // by name, which is the order of evaluation
	held   *holding
}

func newPrometheus(t testing.TB, text string, raw promeval.Samples) *prometheus {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &prometheus{TB: t, db: teststorage.New(t)}
	p.append(raw)
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		Parser: parser.NewParser(parser.Options{}),
	})
	p.held = &holding{Appendable: p.db, names: map[string]bool{}, rows: map[string]bool{}, not: map[string]func(int64) bool{}}
	seen := storage.QueryableFunc(func(from, to int64) (storage.Querier, error) {
		q, err := p.db.Querier(from, to)
		return &withHeld{q, p.held}, err
	})
	manager := rules.NewManager(&rules.ManagerOptions{
		ExternalURL: &url.URL{}, Appendable: p.held, Queryable: p.db, Context: t.Context(), Logger: slog.New(slog.DiscardHandler),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, DefaultRuleQueryOffset: func() time.Duration { return 0 },
		QueryFunc: rules.EngineQueryFunc(engine, seen),
	})
	found, errs := manager.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, file)
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...), text)
	}
	once := map[string]bool{}
	for _, g := range found {
		p.groups = append(p.groups, g)
		for _, r := range g.Rules() {
			if _, ok := r.(*rules.RecordingRule); ok {
				p.held.names[r.Name()] = p.held.names[r.Name()] || once[r.Name()]
				once[r.Name()] = true
			}
		}
	}
	slices.SortFunc(p.groups, func(a, b *rules.Group) int { return strings.Compare(a.Name(), b.Name()) })
	return p
}

// append stores raw samples.
func (p *prometheus) append(raw promeval.Samples) {
	p.Helper()
	app := p.db.Appender(p.Context())
	for _, s := range raw {
		for i, t := range s.Times {
			if _, err := app.Append(0, s.Labels, t, s.Values[i]); err != nil {
				p.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		p.Fatal(err)
	}
}

// evaluate evaluates, at a time, the groups that are due then.
func (p *prometheus) evaluate(t int64) {
	for _, g := range p.groups {
		if t%g.Interval().Milliseconds() == 0 {
			g.Eval(p.Context(), time.UnixMilli(t))
		}
	}
	p.held.flush(p.Context(), p)
}

// holding holds stale markers of records of several rules back to the end of a time.
// Prometheus keeps the first sample of a time: where one rule loses a row at the very
// evaluation at which another gives it, its marker would keep the row out for that
// evaluation. Here the row takes the marker's place, as docs/semantics.md has it. Rules
// that are evaluated in between see the marker.
type holding struct {
	storage.Appendable
	names map[string]bool // of records: whether it has several rules
	list  []heldMarker
	rows  map[string]bool // series that have a row at this time

	// not reports of records that have results from nothing whether a time is none of
	// their windows here: these begin with the samples of their groups, and older ones
	// are computed where something reaches them. In Prometheus they begin with the process.
	not map[string]func(t int64) bool
}

type heldMarker struct {
	lset labels.Labels
	t    int64
	v    float64
}

func (h *holding) Appender(ctx context.Context) storage.Appender {
	return &holdingAppender{h.Appendable.Appender(ctx), h}
}

type holdingAppender struct {
	storage.Appender
	h *holding
}

func (a *holdingAppender) Append(ref storage.SeriesRef, lset labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	name, stale := lset.Get(model.MetricNameLabel), value.IsStaleNaN(v)
	if not := a.h.not[name]; not != nil && !stale && not(t) {
		return 0, storage.ErrOutOfOrderSample // then the rule does not take it for written
	}
	key := lset.String()
	if stale && a.h.names[name] {
		if !a.h.rows[key] {
			a.h.list = append(a.h.list, heldMarker{lset, t, v})
		}
		return 0, nil
	}
	ref, err := a.Appender.Append(ref, lset, t, v)
	if err == nil && a.h.names[name] {
		a.h.rows[key] = true
		a.h.list = slices.DeleteFunc(a.h.list, func(m heldMarker) bool { return m.lset.String() == key })
	}
	return ref, err
}

// flush stores the markers, when all rules of a time have been evaluated.
func (h *holding) flush(ctx context.Context, t testing.TB) {
	t.Helper()
	clear(h.rows)
	if len(h.list) == 0 {
		return
	}
	app := h.Appendable.Appender(ctx)
	for _, m := range h.list {
		if _, err := app.Append(0, m.lset, m.t, m.v); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	h.list = nil
}

// withHeld is what is stored, and the markers that are held.
type withHeld struct {
	storage.Querier
	held *holding
}

func (q *withHeld) Select(ctx context.Context, _ bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	markers := &listed{}
	for _, m := range q.held.list {
		if !slices.ContainsFunc(ms, func(x *labels.Matcher) bool { return !x.Matches(m.lset.Get(x.Name)) }) {
			markers.list = append(markers.list, storage.NewListSeries(m.lset, []chunks.Sample{sample{m.t, m.v}}))
		}
	}
	slices.SortFunc(markers.list, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	sets := []storage.SeriesSet{q.Querier.Select(ctx, true, hints, ms...), markers}
	return storage.NewMergeSeriesSet(sets, 0, storage.ChainedSeriesMerge)
}

// listed is series of a list.
type listed struct {
	list []storage.Series
	next int
}

func (l *listed) Next() bool {
	l.next++
	return l.next <= len(l.list)
}
func (l *listed) At() storage.Series                { return l.list[l.next-1] }
func (l *listed) Err() error                        { return nil }
func (l *listed) Warnings() annotations.Annotations { return nil }

// sample is a number at a time.
type sample struct {
	t int64
	v float64
}

func (s sample) T() int64                      { return s.t }
func (s sample) ST() int64                     { return 0 }
func (s sample) F() float64                    { return s.v }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }

// point is a sample or a stale marker.
type point struct {
	t int64
	v float64
}

// series is all samples of a metric, by labels without the name.
func (p *prometheus) series(name string) map[string][]point {
	p.Helper()
	q, err := p.db.Querier(0, 1<<62)
	if err != nil {
		p.Fatal(err)
	}
	defer q.Close()
	out := map[string][]point{}
	set := q.Select(p.Context(), false, nil, labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, name))
	for set.Next() {
		key := labels.NewBuilder(set.At().Labels()).Del(model.MetricNameLabel).Labels().String()
		for it := set.At().Iterator(nil); it.Next() == chunkenc.ValFloat; {
			t, v := it.At()
			out[key] = append(out[key], point{t, v})
		}
	}
	if set.Err() != nil {
		p.Fatal(set.Err())
	}
	return out
}
