package session

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"laminar/flownode/pane"
	"laminar/sequence"
)

// Value is what a session's value is made of its samples.
type Value string

// The values. Of samples of several series at one time, First and Last take the largest.
const (
	Count    Value = "count"    // how many samples
	Sum      Value = "sum"      // of all samples
	Min      Value = "min"      // the smallest; NaN only where all are
	Max      Value = "max"      // the largest; NaN only where all are
	Avg      Value = "avg"      // the mean of all samples
	First    Value = "first"    // the oldest sample
	Last     Value = "last"     // the newest sample
	Increase Value = "increase" // of counters, resets made up for: the sum over the series
)

// Values lists them.
func Values() []Value { return []Value{Count, Sum, Min, Max, Avg, First, Last, Increase} }

// Limits of a rule, ms.
const (
	DefaultMax = int64(24 * 60 * 60 * 1000)
	LongestMax = 30 * DefaultMax // what a late sample may reach is bounded by it
)

// Rule says what a session is. It is a value: it is not changed after it was made.
//
//	R1  0 < Gap, and 2*Gap <= Max <= LongestMax
//	R2  Max is even
type Rule struct {
	Gap   int64     `json:"gap"` // ms: the longest pause within a session
	Max   int64     `json:"max"` // ms: no session is longer
	When  Condition `json:"when,omitzero"`
	Value Value     `json:"value"`
}

// Check holds R1, R2 and what there is of values. Its error names the key.
func (r *Rule) Check() error {
	switch {
	case r.Gap <= 0:
		return errors.New("gap: want a duration above 0")
	case r.Max < 2*r.Gap:
		return errors.New("max: want at least twice the gap: a session with one pause has to fit in")
	case r.Max > LongestMax:
		return errors.New("max: want at most 30d: that is how far back a late sample may reach")
	case r.Max%2 != 0:
		return errors.New("max: want an even number of milliseconds")
	case !slices.Contains(Values(), r.Value):
		return fmt.Errorf("value: %q is not known", r.Value)
	}
	if err := r.When.check(); err != nil {
		return fmt.Errorf("when: %w", err)
	}
	return nil
}

// Half is the width of the halves, ms.
func (r *Rule) Half() int64 { return r.Max / 2 }

// Grid is the halves.
func (r *Rule) Grid() pane.Grid { return pane.Grid{Width: r.Half()} }

// Needs is the samples that sessions depend on which end in the span. Its beginning is a
// border of halves.
func (r *Rule) Needs(ends sequence.Span) sequence.Span {
	up := ends.UpTo
	if up < sequence.EndOfTime-r.Gap {
		up += r.Gap
	}
	return sequence.Span{After: r.Grid().End(ends.After+1) - 3*r.Half(), UpTo: up}
}

// Settled is the least time after which sessions may end to be found from samples after a
// border of halves.
func (r *Rule) Settled(after sequence.Time) sequence.Time { return after + 2*r.Half() }

// Affected is the ends of sessions, of before and after, that samples may change in the
// half with this end.
func (r *Rule) Affected(half sequence.Time) sequence.Span {
	begin := half - r.Half()
	return sequence.Span{After: begin - r.Gap, UpTo: begin + 3*r.Half()}
}

// AffectedBy is Affected of all halves that overlap a span.
func (r *Rule) AffectedBy(span sequence.Span) sequence.Span {
	return r.Affected(r.Grid().End(span.After + 1)).Join(r.Affected(r.Grid().End(span.UpTo)))
}

// Reach is how long before its end a session may depend on samples, ms.
func (r *Rule) Reach() int64 { return 3 * r.Half() }

// Condition is what samples must satisfy to be of a session. The zero Condition is
// satisfied by all.
type Condition struct {
	Op   string  `json:"op"` // one of the comparisons of PromQL; "" for none
	Than float64 `json:"than"`
}

// comparisons are those of PromQL, longer ones before those that they begin with.
var comparisons = []string{">=", "<=", "==", "!=", ">", "<"}

// ParseCondition reads a comparison with a number, such as "> 0".
func ParseCondition(text string) (Condition, error) {
	text = strings.TrimSpace(text)
	for _, op := range comparisons {
		rest, ok := strings.CutPrefix(text, op)
		if !ok {
			continue
		}
		c := Condition{Op: op}
		var err error
		if c.Than, err = strconv.ParseFloat(strings.TrimSpace(rest), 64); err != nil {
			return Condition{}, fmt.Errorf("%q is not a number", strings.TrimSpace(rest))
		}
		if err := c.check(); err != nil {
			return Condition{}, err
		}
		return c, nil
	}
	return Condition{}, fmt.Errorf("want a comparison with a number, such as \"> 0\", with one of %s", strings.Join(comparisons, " "))
}

func (c Condition) check() error {
	switch {
	case c.Op != "" && !slices.Contains(comparisons, c.Op):
		return fmt.Errorf("%q is not a comparison", c.Op)
	case math.IsNaN(c.Than) || math.IsInf(c.Than, 0):
		return errors.New("want a finite number")
	}
	return nil
}

// String is the condition as ParseCondition reads it; "" for none.
func (c Condition) String() string {
	if c.Op == "" {
		return ""
	}
	return c.Op + " " + strconv.FormatFloat(c.Than, 'g', -1, 64)
}

// Holds reports whether a sample with the value satisfies the condition, as a comparison
// in PromQL does.
func (c Condition) Holds(v float64) bool {
	switch c.Op {
	case "":
		return true
	case ">":
		return v > c.Than
	case ">=":
		return v >= c.Than
	case "<":
		return v < c.Than
	case "<=":
		return v <= c.Than
	case "==":
		return v == c.Than
	default:
		return v != c.Than
	}
}
