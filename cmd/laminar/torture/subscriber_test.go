package torture

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"laminar/flownode/changelog"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// subscriber follows all flows by their change logs. It is for one goroutine.
type subscriber struct {
	every int // operations between two looks
	flows map[progress.FlowID]*followed
}

// followed is what a subscriber has of a flow.
type followed struct {
	changelog.Stand
	rows map[int64]map[string]float64
}

// newSubscribers is one that looks after each operation, and one that is always behind.
func newSubscribers() []*subscriber {
	return []*subscriber{
		{every: 1, flows: map[progress.FlowID]*followed{}},
		{every: 11, flows: map[progress.FlowID]*followed{}},
	}
}

// follow brings the subscriber up to date. What it has is then what the tables hold,
// however it came there (I10).
func (s *subscriber) follow(l *look) {
	if l.t.at%s.every > 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(l.flows)) {
		row := l.rows[name]
		if row.epoch == 0 {
			continue // nobody has taken it: it has no table
		}
		id := progress.FlowID(row.id)
		before := s.flows[id]
		now, err := s.read(l, id, before)
		if errors.Is(err, sequence.ErrSnapshotGone) {
			return // the table was made again; the next look is at that
		}
		l.must(err)
		if before != nil && (now.Position < before.Position || now.Floor < before.Floor) {
			l.t.broken("I10", "%s went back from position %d, floor %d, to %d, floor %d", name, before.Position, before.Floor, now.Position, now.Floor)
		}
		s.flows[id] = now
		if now == before {
			continue
		}
		if stored := l.stored(l.flows[name]); !maps.EqualFunc(now.rows, stored, func(a, b map[string]float64) bool { return maps.EqualFunc(a, b, same) }) {
			l.t.broken("I10", "who follows %s up to position %d has\n%v\nthe table has\n%v", name, now.Position, now.rows, stored)
		}
	}
}

// read applies what changed since, or reads all where it cannot go on.
func (s *subscriber) read(l *look, id progress.FlowID, before *followed) (*followed, error) {
	snap, err := l.store.Changes.Snapshot(l.t.ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = snap.Close(l.t.ctx) }()
	stands, err := snap.Stands(l.t.ctx, []progress.FlowID{id})
	if err != nil || len(stands) != 1 {
		return nil, errors.Join(err, progress.ErrFlowGone)
	}
	stand := stands[0]
	if before != nil && before.Position == stand.Position && before.Incarnation == stand.Incarnation {
		return before, nil
	}
	now := &followed{Stand: stand, rows: map[int64]map[string]float64{}}
	goOn := before != nil && before.Incarnation == stand.Incarnation && before.Position >= stand.Floor
	if goOn {
		now.rows = before.rows
	}
	after := sequence.NoTime
	for more := true; more; {
		var list []changelog.Change
		if goOn {
			list, more, err = snap.Changes(l.t.ctx, id, before.Position, after, 7, 50)
		} else {
			list, more, err = snap.Rows(l.t.ctx, id, sequence.Span{After: after, UpTo: origin + 1000*day}, 7, 50)
		}
		if err != nil {
			return nil, err
		}
		for _, c := range list {
			after = c.End
			now.apply(c)
		}
	}
	return now, nil
}

func (f *followed) apply(c changelog.Change) {
	rows := f.rows[c.End]
	if rows == nil || c.Whole {
		rows = map[string]float64{}
	}
	// The key of a session's row ends in its window_start (laminartest.StoredRows).
	drop := func(columns []string) {
		key := progress.RowKey(columns)
		delete(rows, key)
		maps.DeleteFunc(rows, func(other string, _ float64) bool {
			start, of := strings.CutPrefix(other, key+"\xff")
			return of && !strings.Contains(start, "\xff")
		})
	}
	for _, r := range c.Rows {
		v := r.Value
		if r.Histogram != nil {
			v = r.Histogram.Count
		}
		key := progress.RowKey(r.Columns)
		if r.Start != 0 {
			drop(r.Columns)
			key += "\xff" + strconv.FormatInt(r.Start, 10)
		}
		rows[key] = v
	}
	for _, columns := range c.Gone {
		drop(columns)
	}
	if f.rows[c.End] = rows; len(rows) == 0 {
		delete(f.rows, c.End)
	}
}
