package flowdef

import (
	"fmt"
	"slices"
	"strconv"
)

// Rules of one record are members of one table: their results are one set of series.
// Most share it without knowing it, because their static labels tell their rows apart:
//
//	latency:p{quantile="0.5"}    latency:p{quantile="0.99"}
//
// Where static labels do not, a column does: it holds the number of the rule that has
// written the row. Then all members of the table have a number, and their definitions
// say in which columns the rows of all of them stand:
//
//	record: requests:increase1h   expr: sum by (code) (increase(requests_total{verb="GET"}[1h]))
//	record: requests:increase1h   expr: sum by (verb) (increase(requests_total{code="500"}[1h]))
//
//	window_end  code  verb  rule_number  value
//	12:00       200         1            17
//	12:00             PUT   2            3
//
// The columns are the labels of all members where every one knows its own, else there is
// one column. They only grow: one that no member has any more stays and is empty.

// Membership is a flow's place in a table whose rows are told apart by the numbers of
// their rules. It is no part of what a definition means (Hash): the catalogue gives it.
// It is not changed after it was made.
type Membership struct {
	// Number is the rule's among those of the table, from 1. Where two rules give the
	// same row, that of the smaller number stands.
	Number int      `json:"number"`
	Labels []string `json:"labels,omitempty"` // of all members, static ones included, sorted; none with One
	One    bool     `json:"one,omitempty"`    // the labels are in one column
}

// Tag is how a rule's number stands in its title: "#2".
func (m *Membership) Tag() string { return "#" + strconv.Itoa(m.Number) }

// Same reports whether two places are the same one; nil is none.
func (m *Membership) Same(other *Membership) bool {
	if m == nil || other == nil {
		return m == other
	}
	return m.Number == other.Number && m.One == other.One && slices.Equal(m.Labels, other.Labels)
}

// RuleColumn is the name of the column that holds the number of a row's rule, in a table
// with these label columns.
func RuleColumn(labelColumns []string) string {
	name := "rule_number"
	for slices.Contains(labelColumns, name) {
		name = "laminar_" + name
	}
	return name
}

// Membered says how flows share a table: the flows in their order, with the membership
// that each has. staying, of which the first are, are those that the table has rows of;
// they keep their numbers.
//
// again says why the rows that are there cannot stay, "" where they can: the table must be
// made again for all of them. Columns that are added are no such reason.
func Membered(flows []Flow, staying int) (out []Flow, again string) {
	out = slices.Clone(flows)
	had := slices.IndexFunc(flows, func(f Flow) bool { return f.Member != nil })
	if had < 0 && separate(flows) {
		return out, ""
	}
	var all []string
	one := false
	used := map[int]bool{}
	for _, f := range flows {
		names, known := resultLabelNames(f)
		one = one || !known
		all = append(all, names...)
		if m := f.Member; m != nil {
			one = one || m.One
			all = append(all, m.Labels...)
			used[m.Number] = true
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if one = one || len(all) > maxLabelColumns; one {
		all = nil
	}
	next := 1
	for i := range out {
		m := &Membership{Labels: all, One: one}
		if before := out[i].Member; before != nil {
			m.Number = before.Number
		} else {
			for used[next] {
				next++
			}
			used[next] = true
			m.Number = next
		}
		out[i].Member = m
	}
	if staying > 0 {
		again = whyAgain(flows[:staying], out)
	}
	return out, again
}

// separate reports whether the rows of the flows are told apart by static labels alone.
func separate(flows []Flow) bool {
	for i := range flows {
		for j := range i {
			if clash(flows[i], flows[j]) != "" {
				return false
			}
		}
	}
	return true
}

// whyAgain says why a table that has rows of the flows before, and is to be that of the
// flows after, must be made again.
func whyAgain(before, after []Flow) string {
	old, now := NewLayout(before[0]), NewLayout(after[0])
	switch {
	case old.PerLabel && !now.PerLabel:
		return "the labels of all its rules together need one column"
	case before[0].Member == nil && len(before) > 1:
		return "its rows do not say which rule they are of"
	}
	for i, label := range old.labels {
		if at := slices.Index(now.labels, label); at >= 0 && now.Names[at] != old.Names[i] {
			return fmt.Sprintf("the column of label %s is to be %s instead of %s", label, now.Names[at], old.Names[i])
		}
	}
	if column := RuleColumn(old.Names); before[0].Member != nil && RuleColumn(now.Names) != column {
		return "a label has the name of the column " + column
	}
	return ""
}
