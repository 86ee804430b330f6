package flowdef

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"laminar/sequence"
)

// What flows do to each other, and to what the database holds: checks that need
// more than one definition. They compare what is compiled and not texts, so that
// two spellings of one thing are one thing. Refused are
//
//   - two flows of one identity, unless they are rules;
//   - a flow whose samples would each be in millions of windows;
//   - two flows of one table whose rows could not be told apart, or whose columns
//     differ, unless they are rules of one record (Membered);
//   - a flow whose windows need raw samples that retention has dropped, or would
//     drop before they close (CheckRaw, when a flow is applied).

// Validate checks what flows do to each other: flows that write the same rows
// or disagree on their table. Who reads whom is for package flowgraph. existing
// are the flows of the catalogue; those with the identity of one of flows are
// about to be replaced and do not count.
func Validate(flows, existing []Flow) []Problem {
	var problems []Problem
	all := make([]Flow, 0, len(flows)+len(existing))
	byTitle := map[string]Flow{}
	for _, f := range flows {
		// Of flows with one identity only the first is looked at further.
		if other, twice := byTitle[f.Title()]; twice && (!f.Rule || !other.Rule) {
			problems = append(problems, ProblemAt(&f, "", "is defined twice%s", where(other)))
			continue
		}
		byTitle[f.Title()] = f
		all = append(all, f)
	}
	fresh := len(all) // all[fresh:] are the catalogue's, which are right as they are
	for _, f := range existing {
		if _, replaced := byTitle[f.RecordTitle()]; !replaced {
			all = append(all, f)
		}
	}
	for _, f := range all[:fresh] {
		if p := tooFine(f); p != nil {
			problems = append(problems, *p)
		}
	}
	return append(problems, tableClashes(all, fresh)...)
}

// maxWindowsOfSample is how many windows one sample may be in: a late one makes all of
// them dirty, and a leaf keeps about so many panes. 14 days every second are 1.2 million.
const maxWindowsOfSample = 10_000_000

// tooFine refuses steps that are absurdly small against what a window reads.
func tooFine(f Flow) *Problem {
	n := f.Expr.MaxReach / f.Every
	if n <= maxWindowsOfSample {
		return nil
	}
	p := ProblemAt(&f, "every", "its windows reach back %s and one ends every %s, so each sample is in %d of them, more than %d: choose a larger `every` or a shorter range",
		FormatMillis(f.Expr.MaxReach), FormatMillis(f.Every), n, maxWindowsOfSample)
	return &p
}

// where is a flow's place for use in a message about another; "" for a flow out
// of the catalogue, of which only the name can be said.
func where(f Flow) string {
	if f.File == "" {
		return ""
	}
	return fmt.Sprintf(", also at %s:%d", f.File, f.Line)
}

// tableClashes compares each of the first fresh flows with those before it and
// with the catalogue's. One problem a flow is enough: the others would say the
// same of other flows of the table.
func tableClashes(all []Flow, fresh int) []Problem {
	var problems []Problem
	byTable := map[string][]int{}
	for i, f := range all {
		byTable[f.Table] = append(byTable[f.Table], i)
	}
	for i, f := range all[:fresh] {
		for _, j := range byTable[f.Table] {
			if j >= i && j < fresh {
				continue // itself, or a later one, which will find this one
			}
			if f.Rule && f.Name == all[j].Name {
				continue // members of one table
			}
			if reason := clash(f, all[j]); reason != "" {
				problems = append(problems, ProblemAt(&f, "table", "shares table %s with flow %s, but %s%s",
					f.Table, all[j].Title(), reason, where(all[j])))
				break
			}
		}
	}
	return problems
}

// clash says why two flows cannot write one table, "" if they can: their
// columns are the same, and their rows are kept apart by static labels of the
// same names and other values. So these two can, and no third with 0.5:
//
//	latency:p{quantile="0.5"}
//	latency:p{quantile="0.99"}
//
// The same names are needed because a row says which flow it belongs to by the
// values of static labels, and a flow deletes and counts its own rows by them.
func clash(a, b Flow) string {
	la, lb := NewLayout(a), NewLayout(b)
	// The order of the checks is that of what can be told most precisely.
	names := func(l *Layout) []string { return slices.Sorted(maps.Keys(l.static)) }
	switch {
	case !slices.Equal(names(la), names(lb)):
		return "their static labels have not the same names, so their rows could not be told apart"
	case !sameLayout(la, lb):
		return "their results have not the same label columns: " + listed(la.Names) + " here, " + listed(lb.Names) + " there"
	case maps.Equal(la.static, lb.static):
		return "both would write the same rows"
	}
	return ""
}

// listed is names for a message.
func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// maxPinnedWindows is how many windows may depend on what is stored at a fixed
// time: a late sample there makes all of them dirty, with a row each in the dirty
// list, which is committed in one transaction.
const maxPinnedWindows = 200_000

// CheckRaw returns a problem when there are not the raw samples that the flow's
// windows need: when they reach further back than samples are kept (retention,
// ms), seen from when they close, or read a fixed time that is gone or going
// at now. Samples before earliest are given up. All times are ms since the epoch.
func CheckRaw(f Flow, retention, earliest, now int64) *Problem {
	var p Problem
	pinned := f.Expr.Pinned()
	switch reach, ahead := f.Expr.MaxReach, f.Expr.Ahead(); {
	case reach > retention:
		p = ProblemAt(&f, KeyExpr, "its windows reach back %s (range and offset), but raw samples are kept for %s only",
			FormatMillis(reach), FormatMillis(retention))
	case reach+ahead > retention:
		// A window is computed when it closes, which is ahead of its end.
		p = ProblemAt(&f, KeyExpr, "its windows reach back %s and ahead %s (range and offsets), but raw samples are kept for %s only",
			FormatMillis(reach), FormatMillis(ahead), FormatMillis(retention))
	case !pinned.Empty() && pinned.After+1 < max(earliest, now-retention):
		p = ProblemAt(&f, KeyExpr, "with @ it reads samples from %s on, but raw samples are kept for %s only",
			sequence.FormatTime(pinned.After+1), FormatMillis(retention))
	case !pinned.Empty() && retention/f.Every > maxPinnedWindows:
		// About so many windows can be computed again at any time.
		p = ProblemAt(&f, KeyExpr, "a late sample at a fixed time would change %d windows, more than %d: choose a larger `every`",
			retention/f.Every, maxPinnedWindows)
	default:
		return nil
	}
	return &p
}
