package changes

import (
	"context"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/progress"
	queries "laminar/queries/changes"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// What one transaction changes, gathered while it writes.
// Before: the flows are locked, and their positions are known.
// After Queue: the log and the positions of all flows that changed are in the batch.

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

// columns is the entries as parameters of change_add.
func (l *Log) columns(positions map[progress.FlowID]int64) []any {
	entries := entriesOf(l.windows, l.closed)
	n := len(entries)
	flows, at, ends, after := make([]int32, n), make([]int64, n), make([]int64, n), make([]*int64, n)
	keys, more := make([]*string, n), make([]*string, n)
	for i := range entries {
		e := &entries[i]
		flows[i], at[i], ends[i], after[i] = int32(e.flow), positions[e.flow], e.end, e.closedAfter
		if !e.whole {
			text := arrayOf(e.keys)
			keys[i] = &text
		}
		if len(e.more) > 0 {
			text := numbersOf(e.more)
			more[i] = &text
		}
	}
	return []any{flows, at, ends, after, keys, more}
}

// numbersOf is numbers as PostgreSQL reads an array of them.
func numbersOf(numbers []int64) string {
	buf := []byte{'{'}
	for i, n := range numbers {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = strconv.AppendInt(buf, n, 10)
	}
	return string(append(buf, '}'))
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
