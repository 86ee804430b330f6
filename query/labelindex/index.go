package labelindex

import (
	"container/list"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/sequence"
	"laminar/sequence/series"
)

// Source is what label sets are read from: a snapshot of the raw data.
type Source interface {
	Position() sequence.Position
	// CheckHistory returns sequence.ErrHistoryChanged when the flushes that took the
	// given sequences are not in the snapshot any more.
	CheckHistory(ctx context.Context, vec sequence.Vector, flushes map[sequence.Region]sequence.FlushID) error
	// Series lists the series of the metrics that were created after the vector.
	Series(ctx context.Context, metrics []string, after sequence.Vector, only ...string) ([]series.Series, error)
}

// Set is the series of one metric, by their labels, __name__ included. That order makes
// what is computed from it come out the same each time: sums of floats depend on it. A
// set is only read.
type Set []Series

// Series is a series with its labels.
type Series struct {
	ID     sequence.SeriesID
	Labels labels.Labels
}

// What a set takes besides the texts of its labels, bytes: ids, headers of label sets,
// and the room that slices leave.
const (
	entryBytes  = 256
	seriesBytes = 48
)

// Index is the label sets by metric. All methods may be called at the same time.
type Index struct {
	max int64 // bytes

	mu      sync.Mutex
	used    int64 // of the entries in metrics; used <= max unless only one is there
	metrics map[string]*entry
	recent  list.List // of *entry, the one asked for last in front
}

// entry is one metric. What it holds is replaced, never changed, so sets that were given
// out stay as they are.
type entry struct {
	name string
	turn chan struct{} // holds one token: who takes it may read and extend the entry

	// Guarded by turn.
	set      Set
	vec      sequence.Vector // the set has every series that was created up to here
	flushes  map[sequence.Region]sequence.FlushID
	now      sequence.Time        // of the snapshot that it was extended from last
	removed  int64                // how many series had ever been removed then
	distinct map[string]*distinct // values by label; names of labels under namesKey

	// Guarded by the index's mu.
	bytes int64
	place *list.Element // nil once the index has let it go
}

// New makes an index of at most so many bytes, about. A metric that takes more alone is
// kept until another one is asked for.
func New(bytes int64) *Index {
	return &Index{max: bytes, metrics: map[string]*entry{}}
}

// Used is how many bytes the label sets take, about.
func (x *Index) Used() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.used
}

// Series is the series of a metric, and perhaps some that are newer than the source.
func (x *Index) Series(ctx context.Context, from Source, metric string) (Set, error) {
	e, err := x.current(ctx, from, metric)
	if err != nil {
		return nil, err
	}
	defer e.done()
	return e.set, nil
}

// Values is the distinct values that the metric's series have for a label, ascending.
func (x *Index) Values(ctx context.Context, from Source, metric, label string) ([]string, error) {
	return x.texts(ctx, from, metric, label)
}

// namesKey is under which an entry keeps the names of its labels: no label has an empty
// name.
const namesKey = ""

// Names is the names of the labels that the metric's series have, ascending.
func (x *Index) Names(ctx context.Context, from Source, metric string) ([]string, error) {
	return x.texts(ctx, from, metric, namesKey)
}

// texts is the distinct texts under a key of an entry. They are kept, because looking
// through the labels of a million series takes longer than anything else here.
func (x *Index) texts(ctx context.Context, from Source, metric, key string) ([]string, error) {
	e, err := x.current(ctx, from, metric)
	if err != nil {
		return nil, err
	}
	defer e.done()
	d := e.distinct[key]
	if d == nil {
		d = &distinct{key: key, seen: map[string]struct{}{}}
		d.extend(e.set)
		e.distinct[key] = d
		x.grow(e, int64(len(d.list))*seriesBytes)
	}
	return d.list[:len(d.list):len(d.list)], nil
}

// distinct is the distinct values of a label, or names of labels, of an entry's series.
type distinct struct {
	key  string
	seen map[string]struct{}
	list []string // ascending; replaced, never changed
}

func (d *distinct) extend(set Set) {
	var news []string
	add := func(text string) {
		if _, ok := d.seen[text]; text != "" && !ok {
			d.seen[text] = struct{}{}
			news = append(news, text)
		}
	}
	for i := range set {
		if d.key != namesKey {
			add(set[i].Labels.Get(d.key))
			continue
		}
		set[i].Labels.Range(func(l labels.Label) { add(l.Name) })
	}
	if len(news) > 0 {
		slices.Sort(news)
		d.list = merge(d.list, news, strings.Compare)
	}
}

// current is a metric's entry, extended to where the source stands. The caller has its
// turn, and must give it back.
func (x *Index) current(ctx context.Context, from Source, metric string) (*entry, error) {
	e := x.entry(metric)
	select {
	case <-e.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := x.extend(ctx, from, e); err != nil {
		e.done()
		return nil, err
	}
	return e, nil
}

func (e *entry) done() { e.turn <- struct{}{} }

// entry is a metric's entry, which is empty if it is new.
func (x *Index) entry(metric string) *entry {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.metrics[metric]
	if e == nil {
		e = &entry{name: metric, turn: make(chan struct{}, 1), bytes: entryBytes + int64(len(metric))}
		e.reset()
		e.done()
		e.place = x.recent.PushFront(e)
		x.metrics[metric] = e
		x.used += e.bytes
	}
	x.recent.MoveToFront(e.place)
	return e
}

// reset empties an entry, whose bytes are not counted any more or not yet.
func (e *entry) reset() {
	e.set, e.vec, e.distinct = nil, sequence.Vector{}, map[string]*distinct{}
	e.flushes, e.now = map[sequence.Region]sequence.FlushID{}, sequence.NoTime
}

// extend reads the series that the source has and the entry has not.
func (x *Index) extend(ctx context.Context, from Source, e *entry) error {
	pos := from.Position()
	// Another query with a newer snapshot has been here first: what this one can ask for
	// is there. A database that was restored shows a position behind the entry's, too,
	// but at a later time.
	if !pos.Vector.Covers(e.vec) && pos.Now <= e.now {
		return nil
	}
	// Which ones have been removed is not worth asking: it happens once a day.
	if pos.Removed != e.removed {
		x.forget(e)
	}
	switch err := from.CheckHistory(ctx, e.vec, e.flushes); {
	case errors.Is(err, sequence.ErrHistoryChanged):
		x.forget(e)
	case err != nil:
		return err
	}
	stored, err := from.Series(ctx, []string{e.name}, e.vec)
	if err != nil {
		return err
	}
	e.vec, e.flushes, e.now, e.removed = maps.Clone(pos.Vector), maps.Clone(pos.Flushes), pos.Now, pos.Removed
	if len(stored) == 0 {
		return nil
	}
	var bytes int64
	news := make(Set, len(stored))
	for i := range stored {
		news[i] = Series{stored[i].ID, labelSet(stored[i].Labels)}
		bytes += seriesBytes + int64(labelBytes(stored[i].Labels))
	}
	slices.SortFunc(news, byLabels)
	e.set = merge(e.set, news, byLabels)
	for _, d := range e.distinct {
		d.extend(news)
	}
	x.grow(e, bytes)
	return nil
}

// forget makes an entry know nothing.
func (x *Index) forget(e *entry) {
	e.reset()
	x.mu.Lock()
	defer x.mu.Unlock()
	if e.place != nil {
		x.used -= e.bytes - entryBytes
		e.bytes = entryBytes
	}
}

func byLabels(a, b Series) int { return labels.Compare(a.Labels, b.Labels) }

// merge is two ascending lists as one, in memory of its own unless one is empty.
func merge[L ~[]T, T any](a, b L, compare func(a, b T) int) L {
	if len(a) == 0 {
		return b
	}
	out := make(L, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if compare(a[0], b[0]) <= 0 {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// grow counts what an entry has grown by, and lets others go while there is too much.
func (x *Index) grow(e *entry, bytes int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e.place == nil { // let go meanwhile: who has it is its last user
		return
	}
	e.bytes += bytes
	x.used += bytes
	for x.used > x.max {
		oldest, ok := x.recent.Back().Value.(*entry)
		if !ok || oldest == e {
			return
		}
		x.recent.Remove(oldest.place)
		oldest.place = nil
		delete(x.metrics, oldest.name)
		x.used -= oldest.bytes
	}
}

// labelSet is labels as the query engine has them.
func labelSet(lset []series.Label) labels.Labels {
	b := labels.NewScratchBuilder(len(lset))
	for _, l := range lset {
		b.Add(l.Name, l.Value)
	}
	return b.Labels()
}

func labelBytes(lset []series.Label) int {
	n := 0
	for _, l := range lset {
		n += len(l.Name) + len(l.Value) + 2
	}
	return n
}
