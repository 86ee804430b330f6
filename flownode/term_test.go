package flownode

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"laminar/flownode/flowdef"
	"laminar/flownode/round/roundtest"
)

// scriptedElector answers beats as a test says.
type scriptedElector struct {
	term  atomic.Int64
	hangs atomic.Bool // beats do not end before their context does
	away  atomic.Bool // the database is out of reach
}

func (e *scriptedElector) Beat(ctx context.Context) (int64, error) {
	if e.hangs.Load() {
		<-ctx.Done()
	}
	if e.away.Load() {
		return 0, errors.New("out of reach")
	}
	return e.term.Load(), ctx.Err()
}

func (e *scriptedElector) Leave(context.Context) {}

func (e *scriptedElector) Lost() <-chan struct{} { return nil }

// TestTermEnds: a node leads while beats give its term. It stops by itself 7 s after
// the last one that did, whether beats fail or hang, and at once when the term is
// another's.
func TestTermEnds(t *testing.T) {
	for name, breaks := range map[string]struct {
		how   func(*scriptedElector)
		still time.Duration // that it leads for at least, and no longer than 2 s more
	}{
		"fail":     {func(e *scriptedElector) { e.away.Store(true) }, 5 * time.Second},
		"hang":     {func(e *scriptedElector) { e.hangs.Store(true) }, 5 * time.Second},
		"replaced": {func(e *scriptedElector) { e.term.Store(0) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, roundtest.OracleFlows)
			synctest.Test(t, func(t *testing.T) {
				e := &scriptedElector{}
				e.term.Store(3)
				cfg := configOf(w)
				cfg.Elector = e
				var beside atomic.Int64 // the term in which what runs beside runs, 0 when it does not
				cfg.WhileLeading = func(ctx context.Context, term int64) {
					beside.Store(term)
					<-ctx.Done()
					beside.Store(0)
				}
				n, err := New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				ctx, end := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- n.Run(ctx) }()
				leads := func() bool {
					synctest.Wait()
					return testutil.ToFloat64(n.metrics.leader) == 1
				}
				time.Sleep(time.Minute)
				if !leads() || beside.Load() != 3 {
					t.Error("the node does not lead, or not for a minute")
				}
				breaks.how(e)
				time.Sleep(breaks.still)
				if breaks.still > 0 && !leads() {
					t.Errorf("the node does not lead any more after %s", breaks.still)
				}
				time.Sleep(2*time.Second + time.Millisecond)
				if leads() || beside.Load() != 0 {
					t.Errorf("the node still leads after %s", breaks.still+2*time.Second)
				}
				end()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
