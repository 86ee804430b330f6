package query

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/progress"
	"laminar/query/substitute"
)

// expressionsAge is how old what is known of the catalogue's expressions may be, before a
// query reads what is new. Older knowledge is not wrong: what it says of a flow is looked at
// again in the query's snapshot, and a flow that it lacks is not used yet.
const expressionsAge = time.Second

// expressions is the flows by their expressions. It may be used by many goroutines.
type expressions struct {
	current atomic.Pointer[expressionTable] // nil before the first query
	reading chan struct{}                   // holds a token while one reads
}

// expressionTable is the expressions of one moment. It is not changed.
type expressionTable struct {
	at     time.Time
	known  map[[32]byte]*expression // by the hash of the definition; nil for what cannot be used
	byForm map[string][]answering
	byKey  map[string][]answering // of shapes
}

// expression is what a flow computes.
type expression struct {
	*substitute.Definition
	every, lookback int64 // ms
}

// answering is a flow whose rows may stand for its expression.
type answering struct {
	id   progress.FlowID
	hash [32]byte // of its definition
	*expression
}

func newExpressions() *expressions { return &expressions{reading: make(chan struct{}, 1)} }

// table is the expressions as they are known; the first time they are read.
func (x *expressions) table(ctx context.Context, snap Snapshot) (*expressionTable, error) {
	now := x.current.Load()
	if now != nil && time.Since(now.at) < expressionsAge {
		return now, nil
	}
	select {
	case x.reading <- struct{}{}:
	default:
		if now != nil { // another query reads what is new
			return now, nil
		}
		select {
		case x.reading <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer func() { <-x.reading }()
	if newer := x.current.Load(); newer != now {
		return newer, nil
	}
	next, err := now.next(ctx, snap)
	if err == nil {
		x.current.Store(next)
	}
	return next, err
}

// next is the expressions of the snapshot. Definitions that are known are not read again.
func (t *expressionTable) next(ctx context.Context, snap Snapshot) (*expressionTable, error) {
	next := &expressionTable{at: time.Now(), known: map[[32]byte]*expression{}, byForm: map[string][]answering{}, byKey: map[string][]answering{}}
	heads, err := snap.Answering(ctx, nil)
	if err != nil {
		return nil, err
	}
	var unknown []progress.FlowID
	for _, h := range heads {
		known := false
		if t != nil {
			next.known[h.Hash], known = t.known[h.Hash]
		}
		if !known {
			unknown = append(unknown, h.ID)
		}
	}
	if len(unknown) > 0 {
		flows, err := snap.Definitions(ctx, unknown)
		if err != nil {
			return nil, err
		}
		defs := make(map[progress.FlowID]*expression, len(flows))
		for i := range flows {
			if d, _ := substitute.Define(&flows[i].Def); d != nil {
				defs[flows[i].ID] = &expression{d, flows[i].Def.Every, flows[i].Def.Lookback}
			}
		}
		for _, h := range heads {
			if next.known[h.Hash] == nil {
				next.known[h.Hash] = defs[h.ID]
			}
		}
	}
	for _, h := range heads {
		if x := next.known[h.Hash]; x != nil {
			a := answering{h.ID, h.Hash, x}
			next.byForm[x.Text] = append(next.byForm[x.Text], a)
			if x.Shape != nil {
				next.byKey[x.Shape.Key] = append(next.byKey[x.Shape.Key], a)
			}
		}
	}
	return next, nil
}

// mostAble is how many flows are looked at for one part of a query: each is asked of
// PostgreSQL.
const mostAble = 4

// able is some flows from which the expression can be derived at the times, beginning with
// those whose expression it is, and then those with the fewest groups.
func (t *expressionTable) able(e parser.Expr, at substitute.Times, lookback int64) (out []answering) {
	for _, a := range t.byForm[substitute.FormOf(e).Text] {
		if a.suits(at, lookback) {
			out = append(out, a)
		}
	}
	if shape := substitute.ShapeOf(e); shape != nil && len(out) < mostAble {
		exact := len(out)
		for _, a := range t.byKey[shape.Key] {
			_, ok := substitute.Derive(shape, a.Shape)
			if ok && a.suits(at, lookback) && !slices.ContainsFunc(out[:exact], func(b answering) bool { return b.id == a.id }) {
				out = append(out, a)
			}
		}
		slices.SortStableFunc(out[exact:], func(a, b answering) int {
			switch {
			case a.coarser(b.expression):
				return -1
			case b.coarser(a.expression):
				return 1
			}
			return 0
		})
	}
	return out[:min(len(out), mostAble)]
}

// coarser reports whether a flow has fewer groups than another one of the same key, as far as
// can be told by its labels.
func (x *expression) coarser(than *expression) bool {
	a, b := x.Shape, than.Shape
	if a.Without != b.Without {
		return b.Without
	}
	if a.Without {
		return len(a.Grouping) > len(b.Grouping)
	}
	return len(a.Grouping) < len(b.Grouping)
}

// suits reports whether a flow computes what an expression of its form gives at the times,
// where instant selectors look back so far, ms.
func (a *answering) suits(at substitute.Times, lookback int64) bool {
	return at.On(a.every) && (!a.Instant || a.lookback == lookback)
}
