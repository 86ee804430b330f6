package flownode

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
)

// TestIdleVectorIsStored holds that the vector of a flow that nothing touches
// is stored before long even in a group so large that not every round writes
// it: flow wait reads it.
func TestIdleVectorIsStored(t *testing.T) {
	var defs strings.Builder
	defs.WriteString("flows:\n")
	for i := range smallGroup + 1 {
		fmt.Fprintf(&defs, "  - {name: idle%d, promql: 'sum(nothing%d)', every: 1m}\n", i, i)
	}
	w := newWorld(t, 1, 1, ExecutorColumnar, defs.String())
	w.tick()
	for range 3 {
		w.scrape(60_000, false)
		w.tick()
	}
	for id, f := range w.group.flows {
		if f.stored.Equal(f.flow.Vector) {
			continue
		}
		at := f.deadline()
		if at == flowplan.Unset || at > time.Now().Add(storeIdleAfter).UnixMilli() {
			t.Fatalf("flow %d: nothing makes its vector stored (deadline %d)", id, at)
		}
		f.storedAt = f.storedAt.Add(-storeIdleAfter)
	}
	w.tick()
	for id, mf := range w.store.flows {
		if !mf.flow.Vector.Equal(w.store.vec) {
			t.Errorf("flow %d is stored at %s, the data stands at %s", id, mf.flow.Vector, w.store.vec)
		}
	}
}

// failingCatalog cannot hand out one flow.
type failingCatalog struct {
	*memStore
	flow progress.FlowID
}

func (c failingCatalog) Take(ctx context.Context, id progress.FlowID) (progress.Flow, error) {
	if id == c.flow {
		return progress.Flow{}, errors.New("its table was not made by Laminar")
	}
	return c.memStore.Take(ctx, id)
}

// TestOneFlowStandsStill holds that a flow that cannot be taken over does not
// hold up the others of its group.
func TestOneFlowStandsStill(t *testing.T) {
	w := newWorld(t, 1, 1, ExecutorColumnar, oracleFlows)
	w.node.cfg.Catalog = failingCatalog{w.store, 3}
	w.scrape(300_000, false)
	w.tick()
	for id, mf := range w.store.flows {
		if moved := mf.flow.Vector.Equal(w.store.vec); moved == (id == 3) {
			t.Errorf("flow %d stands at %s, the data at %s", id, mf.flow.Vector, w.store.vec)
		}
	}
	w.node.cfg.Catalog = w.store
	w.group.flows[3].takeAfter = time.Time{}
	w.tick()
	w.check()
}

// TestOtherOwnerIsNoticed holds that an owner whose flow somebody else took
// loads it again without waiting for samples: the other may have left windows
// on the dirty list.
func TestOtherOwnerIsNoticed(t *testing.T) {
	w := newWorld(t, 1, 1, ExecutorColumnar, oracleFlows)
	w.scrape(120_000, false)
	w.tick()
	if _, err := w.store.Take(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	w.store.flows[1].dirty[progress.DirtyKey{WindowEnd: w.base}] = progress.Dirty{WindowEnd: w.base, Reason: string(flowplan.Unordered)}
	heads, err := w.store.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.group.adopt(heads)
	for range 2 {
		w.store.now += flowplan.DirtyAtLatest
		w.tick()
	}
	if n := len(w.store.flows[1].dirty); n > 0 {
		t.Errorf("%d windows that the other owner left are still dirty", n)
	}
	w.check()
}
