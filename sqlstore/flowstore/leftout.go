package flowstore

import (
	"encoding/binary"
	"slices"
	"sync"

	"laminar/flownode/progress"
)

// maxKnown is how many rows are remembered, for each flow; beyond it all are
// forgotten. A row that is forgotten costs the search once more, and nothing else.
const maxKnown = 100_000

// leftOut is the rows of a table that PostgreSQL has refused, by their labels. It may
// be used by several goroutines at once.
type leftOut struct {
	mu    sync.Mutex
	known map[string]struct{}
}

// rowKey is a row's labels as one text. Each label has its length before it, so
// different rows never have the same key.
func rowKey(columns []string) string {
	var key []byte
	for _, c := range columns {
		key = append(binary.AppendUvarint(key, uint64(len(c))), c...)
	}
	return string(key)
}

// add remembers a row. It does so at once and not at the commit: that the row is refused
// is true even if the round is not written.
func (l *leftOut) add(columns []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil || len(l.known) >= maxKnown {
		l.known = map[string]struct{}{}
	}
	l.known[rowKey(columns)] = struct{}{}
}

// without is the windows without the rows that are known, and how many these are.
// Where there are none, the windows are as they were.
func (l *leftOut) without(windows []progress.Window) ([]progress.Window, int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) == 0 {
		return windows, 0
	}
	var n int64
	out := slices.Clone(windows)
	for i := range out {
		rows := make([]progress.Row, 0, len(out[i].Rows))
		for _, r := range out[i].Rows {
			if _, bad := l.known[rowKey(r.Columns)]; bad {
				n++
			} else {
				rows = append(rows, r)
			}
		}
		out[i].Rows = rows
		// What was refused is not there to be deleted, and may be refused there, too.
		out[i].Gone = slices.DeleteFunc(slices.Clone(out[i].Gone), func(columns []string) bool {
			_, bad := l.known[rowKey(columns)]
			return bad
		})
	}
	return out, n
}
