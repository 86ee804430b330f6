package subscribe

import (
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// filter is what of the rows a stream is sent. The zero filter is the rows of closed
// windows.
type filter struct {
	provisional bool
	sets        [][]*labels.Matcher // a row matches all of one of them; nil for every row
}

// picked is a filter for the rows of one flow.
type picked struct {
	all  bool
	sets [][]*labels.Matcher // without those of the name
}

// of is the filter for a flow: selectors that name another one are left out.
func (f *filter) of(own *flow) picked {
	if f.sets == nil {
		return picked{all: true}
	}
	var p picked
	for _, set := range f.sets {
		rest := make([]*labels.Matcher, 0, len(set))
		named := true
		for _, m := range set {
			if m.Name == model.MetricNameLabel {
				named = named && m.Matches(own.def.Name)
			} else {
				rest = append(rest, m)
			}
		}
		if named && len(rest) == 0 {
			return picked{all: true}
		}
		if named {
			p.sets = append(p.sets, rest)
		}
	}
	return p
}

// nothing reports whether no row of the flow can match.
func (p *picked) nothing() bool { return !p.all && len(p.sets) == 0 }

// row reports whether the row with these label columns is wanted.
func (p *picked) row(own *flow, columns []string) bool {
	if p.all {
		return true
	}
	lset := own.layout.Labels(columns)
	return slices.ContainsFunc(p.sets, func(set []*labels.Matcher) bool {
		return !slices.ContainsFunc(set, func(m *labels.Matcher) bool { return !m.Matches(lset.Get(m.Name)) })
	})
}
