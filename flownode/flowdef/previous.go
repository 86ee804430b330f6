package flowdef

import (
	"slices"
	"strings"
)

// What a flow sees as the evaluation before left it: results of rules that stand behind
// it in its group, and its own.
//
// All rules of a group have one step, and results stand at window ends. So of a rule
// behind it a window sees all samples but those at its own end, and a leaf can be kept
// that ends a step earlier:
//
//	x[30m] at 12:00, every 1m      (11:30, 12:00), which are the samples of (11:30, 11:59]
//	x[30m] offset 1m               (11:29, 11:59]: nothing at 12:00 in any case
//
// That holds where the leaf selects such results alone, and the function does not care
// where the range ends. Otherwise, and where it reads its own results, which are computed
// between its windows, the expression is evaluated whole.

// ReadsPrevious makes the flow see of others, by their titles without numbers and the
// expressions of those behind it, and with itself of its own results, what was there before
// each of its evaluations. beside is that some selector may find results of those others
// and of yet others at once.
func (f *Flow) ReadsPrevious(titles []string, behind map[string][]string, beside, itself bool) {
	f.Previous, f.Behind, f.Beside, f.Itself = titles, behind, beside, itself
	switch {
	case itself:
		f.Expr = f.Expr.alsoWhole("it reads its own results")
	case len(titles) > 0:
		f.Expr = f.seesPrevious(f.Expr)
	}
}

// SeesPrevious reports whether the flow sees what another gives only as the evaluation
// before left it, because that stands behind it in its group.
func (f *Flow) SeesPrevious(of *Flow) bool {
	title := of.RecordTitle()
	if !slices.Contains(f.Previous, title) {
		return false
	}
	behind, told := f.Behind[title]
	return !told || slices.Contains(behind, of.PromQL)
}

// seesPrevious is the expression with its leaves over previous results cut short.
func (f *Flow) seesPrevious(c Compiled) Compiled {
	const why = "it reads a rule that stands after it in its group"
	if c.Batch || f.Beside {
		return c.alsoWhole(why)
	}
	names := make([]string, len(f.Previous))
	for i, title := range f.Previous {
		names[i], _, _ = strings.Cut(title, "{")
	}
	whole := c
	c.Leaves = slices.Clone(c.Leaves)
	for i := range c.Leaves {
		l := &c.Leaves[i]
		if !l.NamesMetric() || !slices.ContainsFunc(names, l.MaySelect) {
			continue
		}
		for _, name := range l.Names() {
			if !slices.Contains(names, name) {
				return whole.alsoWhole(why)
			}
		}
		switch {
		case l.Names() == nil, l.Offset < 0, l.Offset == 0 && (l.Func.Borders || l.Range <= f.Every):
			return whole.alsoWhole(why)
		case l.Offset == 0:
			l.Before, l.Offset, l.Range = f.Every, f.Every, l.Range-f.Every
		}
	}
	if _, err := c.cut(f.Every); err != nil { // it has a step
		return whole.alsoWhole(why)
	}
	return c
}

// alsoWhole is the expression as a batch expression for one more reason.
func (c *Compiled) alsoWhole(why string) Compiled {
	out := c.Whole(why)
	if c.Batch {
		out.Why = why + "; " + c.Why
	}
	return out
}
