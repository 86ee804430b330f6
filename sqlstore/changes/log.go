package changes

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/progress"
	queries "laminar/queries/changes"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// What one transaction changes, gathered while it writes.
// Before: the flows are locked, and their positions are known.
// After Queue: the log and the positions of all flows that changed are in the batch.

// maxKeys is how many rows of a window one entry names. Of more it says that all of the
// window has perhaps changed.
const maxKeys = 1000

// Written is what was changed by an attempt to write, which may still be undone: then it
// is dropped. The zero Written is ready to use. It belongs to one goroutine.
type Written struct {
	rows    int64
	windows map[window]*touched
}

// window is a window of a flow.
type window struct {
	flow progress.FlowID
	end  sequence.Time
}

// touched is what is known of a window that changed.
type touched struct {
	whole bool // perhaps all rows
	keys  []string
}

// Rows is how many rows were inserted, changed or deleted.
func (w *Written) Rows() int64 { return w.rows }

// Count adds rows whose windows and keys are noted apart.
func (w *Written) Count(rows int64) { w.rows += rows }

// Whole notes that perhaps all rows of a window changed.
func (w *Written) Whole(flow progress.FlowID, end sequence.Time) {
	t := w.at(flow, end)
	t.whole, t.keys = true, nil
}

// Keys notes which rows of a window changed.
func (w *Written) Keys(flow progress.FlowID, end sequence.Time, keys ...string) {
	t := w.at(flow, end)
	if t.whole {
		return
	}
	if t.keys = append(t.keys, keys...); len(t.keys) > maxKeys {
		t.whole, t.keys = true, nil
	}
}

func (w *Written) at(flow progress.FlowID, end sequence.Time) *touched {
	if w.windows == nil {
		w.windows = map[window]*touched{}
	}
	t := w.windows[window{flow, end}]
	if t == nil {
		t = &touched{}
		w.windows[window{flow, end}] = t
	}
	return t
}

// Add adds what another attempt has changed.
func (w *Written) Add(other *Written) {
	w.rows += other.rows
	for at, t := range other.windows {
		if t.whole {
			w.Whole(at.flow, at.end)
		} else {
			w.Keys(at.flow, at.end, t.keys...)
		}
	}
}

// Log is what a transaction adds to the change log. It belongs to one goroutine.
type Log struct {
	Written
	closed map[progress.FlowID]sequence.Span
}

// Close notes that the commit closes the windows of a flow that end in a span; it may be
// empty.
func (l *Log) Close(flow progress.FlowID, ends sequence.Span) {
	if ends.Empty() {
		return
	}
	if l.closed == nil {
		l.closed = map[progress.FlowID]sequence.Span{}
	}
	l.closed[flow] = ends
}

// Moved is the flows that changed, in the order of their ids.
func (l *Log) Moved() []progress.FlowID {
	moved := make([]progress.FlowID, 0, len(l.closed)+1)
	for at := range l.windows {
		moved = append(moved, at.flow)
	}
	for flow := range l.closed {
		moved = append(moved, flow)
	}
	slices.Sort(moved)
	return slices.Compact(moved)
}

// Queue adds what is to be written to a batch, for flows whose positions were these, and
// raises the positions in the map. They are stored for the flows of the list; those of the
// others are the caller's to store.
func (l *Log) Queue(batch *pgx.Batch, positions map[progress.FlowID]int64, store func(progress.FlowID) bool) {
	moved := l.Moved()
	if len(moved) == 0 {
		return
	}
	var ids []int32
	var at []int64
	for _, flow := range moved {
		positions[flow]++
		if store(flow) {
			ids, at = append(ids, int32(flow)), append(at, positions[flow])
		}
	}
	if len(ids) > 0 {
		batch.Queue(queries.ChangePosition, ids, at)
	}
	batch.Queue(queries.ChangeAdd, l.columns(positions)...)
}

// columns is the entries as parameters of change_add. A window that the commit closes is
// read whole, so its keys are not stored.
func (l *Log) columns(positions map[progress.FlowID]int64) []any {
	for flow, span := range l.closed {
		l.at(flow, span.UpTo) // the entry that says so
	}
	windows := make([]window, 0, len(l.windows))
	for at := range l.windows {
		windows = append(windows, at)
	}
	// In the order of the primary key.
	slices.SortFunc(windows, func(a, b window) int {
		return cmp.Or(cmp.Compare(a.flow, b.flow), cmp.Compare(a.end, b.end))
	})
	n := len(windows)
	flows, at, ends, after, keys := make([]int32, n), make([]int64, n), make([]int64, n), make([]*int64, n), make([]*string, n)
	for i, w := range windows {
		t := l.windows[w]
		flows[i], at[i], ends[i] = int32(w.flow), positions[w.flow], w.end
		span, closes := l.closed[w.flow]
		if closes && w.end == span.UpTo {
			after[i] = &span.After
		}
		if whole := t.whole || closes && span.Holds(w.end) && len(t.keys) > 0; !whole {
			text := arrayOf(t.keys)
			keys[i] = &text
		}
	}
	return []any{flows, at, ends, after, keys}
}

// arrayOf is texts as PostgreSQL reads an array of them.
func arrayOf(texts []string) string {
	n := 2
	for _, text := range texts {
		n += len(text) + 8
	}
	buf := append(make([]byte, 0, n), '{')
	for i, text := range texts {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, '"')
		for k := range len(text) {
			if text[k] == '"' || text[k] == '\\' {
				buf = append(buf, '\\')
			}
			buf = append(buf, text[k])
		}
		buf = append(buf, '"')
	}
	return string(append(buf, '}'))
}

// Write writes the log outside of a round, in a transaction that has locked the flows,
// whose positions were these.
func (l *Log) Write(ctx context.Context, q pg.Querier, positions map[progress.FlowID]int64) error {
	batch := &pgx.Batch{}
	l.Queue(batch, positions, func(progress.FlowID) bool { return true })
	for _, b := range batch.QueuedQueries {
		if _, err := q.Exec(ctx, b.SQL, b.Arguments...); err != nil {
			return err
		}
	}
	return nil
}

// Positions reads rows of id and position.
func Positions(rows pgx.Rows, into map[progress.FlowID]int64) error {
	var id int32
	var position int64
	_, err := pgx.ForEachRow(rows, []any{&id, &position}, func() error {
		into[progress.FlowID(id)] = position
		return nil
	})
	return err
}

// Reborn begins another incarnation of a flow whose table was made anew. Its row is locked.
func Reborn(ctx context.Context, q pg.Querier, flow progress.FlowID) error {
	_, err := q.Exec(ctx, queries.ChangeReborn, int32(flow))
	return err
}
