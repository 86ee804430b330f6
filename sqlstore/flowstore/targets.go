package flowstore

import (
	"sync"

	"laminar/flownode/progress"
	"laminar/sqlstore/claims"
	"laminar/sqlstore/resulttable"
)

// The tables of the flows that this process has taken. A flow's definition does not
// change while its epoch is the same, so the table and its statements, which Take
// has made, hold until the flow is fenced.

// targets remembers the result tables of the flows that this store has taken,
// so that Commit need not look them up. The zero targets is ready to use.
// A flow that was deleted stays in it; its id is never used again.
type targets struct {
	mu     sync.Mutex
	tables map[progress.FlowID]*target
}

// target is a result table that is written to, and the rows that it is known to refuse.
// It may be used by several goroutines at once.
type target struct {
	*resulttable.Target
	rules claims.Rules // that write to the table, the flow's among them; none where they have no numbers
	left  *leftOut
}

// newTarget is the target of a table of which no refused row is known.
func newTarget(table *resulttable.Table, rules claims.Rules) *target {
	return &target{Target: resulttable.NewTarget(table), rules: rules, left: &leftOut{}}
}

// get is the table of a flow, false for a flow that was not taken.
func (t *targets) get(id progress.FlowID) (*target, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	table, ok := t.tables[id]
	return table, ok
}

// put replaces what was known of the flow: taken again, it may have another table. A
// commit that has got the former one goes on with it, and is fenced, because taking has
// raised the epoch.
func (t *targets) put(id progress.FlowID, table *target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tables == nil {
		t.tables = make(map[progress.FlowID]*target)
	}
	if before := t.tables[id]; before != nil {
		table.left = before.left // the same flow, and so the same rows are refused
	}
	t.tables[id] = table
}
