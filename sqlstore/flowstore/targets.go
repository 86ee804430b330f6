package flowstore

import (
	"sync"

	"laminar/flownode/progress"
)

// targets remembers the result tables of the flows that this store has taken,
// so that Commit need not look them up. The zero targets is ready to use.
type targets struct {
	mu     sync.Mutex
	tables map[progress.FlowID]*target
}

func (t *targets) get(id progress.FlowID) (*target, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	table, ok := t.tables[id]
	return table, ok
}

func (t *targets) put(id progress.FlowID, table *target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tables == nil {
		t.tables = make(map[progress.FlowID]*target)
	}
	t.tables[id] = table
}
