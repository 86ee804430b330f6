package promeval

import (
	"sync"

	"github.com/prometheus/prometheus/promql/parser"
)

// maxCached is how many parsed expressions are kept. A flow has one residual,
// so this is about the number of flows.
const maxCached = 4096

// cachingParser parses each text once and hands out copies. The engine changes
// the tree it evaluates, so a tree cannot be used twice; and a refill evaluates
// one residual thousands of times.
type cachingParser struct {
	parser.Parser

	mu     sync.Mutex
	parsed map[string]parser.Expr
}

func newCachingParser() *cachingParser {
	return &cachingParser{
		Parser: parser.NewParser(parser.Options{}),
		parsed: map[string]parser.Expr{},
	}
}

// ParseExpr is what the engine calls for every query.
func (p *cachingParser) ParseExpr(text string) (parser.Expr, error) {
	p.mu.Lock()
	e, ok := p.parsed[text]
	p.mu.Unlock()
	if !ok {
		var err error
		if e, err = p.Parser.ParseExpr(text); err != nil {
			return nil, err
		}
		p.mu.Lock()
		if len(p.parsed) >= maxCached {
			clear(p.parsed)
		}
		p.parsed[text] = e
		p.mu.Unlock()
	}
	return clone(e), nil
}

// clone copies a tree as far as the engine changes it: every node and the
// grouping of aggregations, which it sorts. Matchers and positions are shared.
func clone(e parser.Expr) parser.Expr {
	switch n := e.(type) {
	case *parser.AggregateExpr:
		c := *n
		c.Expr = clone(n.Expr)
		if n.Param != nil {
			c.Param = clone(n.Param)
		}
		c.Grouping = append([]string(nil), n.Grouping...)
		return &c
	case *parser.BinaryExpr:
		c := *n
		c.LHS, c.RHS = clone(n.LHS), clone(n.RHS)
		if n.VectorMatching != nil {
			m := *n.VectorMatching
			m.MatchingLabels = append([]string(nil), m.MatchingLabels...)
			m.Include = append([]string(nil), m.Include...)
			c.VectorMatching = &m
		}
		return &c
	case *parser.Call:
		c := *n
		c.Args = make(parser.Expressions, len(n.Args))
		for i, a := range n.Args {
			c.Args[i] = clone(a)
		}
		return &c
	case *parser.MatrixSelector:
		c := *n
		c.VectorSelector = clone(n.VectorSelector)
		return &c
	case *parser.SubqueryExpr:
		c := *n
		c.Expr = clone(n.Expr)
		return &c
	case *parser.ParenExpr:
		c := *n
		c.Expr = clone(n.Expr)
		return &c
	case *parser.UnaryExpr:
		c := *n
		c.Expr = clone(n.Expr)
		return &c
	case *parser.StepInvariantExpr:
		c := *n
		c.Expr = clone(n.Expr)
		return &c
	case *parser.VectorSelector:
		c := *n
		return &c
	case *parser.NumberLiteral:
		c := *n
		return &c
	case *parser.StringLiteral:
		c := *n
		return &c
	default:
		return e
	}
}
