package keep

// The labels of a series as a leaf sees them, and the values of some as a key.

import (
	"encoding/binary"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/schema"

	"laminar/sequence/series"
)

// valuesOf spells the values of the labels that a group is made of, and reports whether
// it is made of known ones. Most series of a list belong to a group that has been met
// there, and are put into it without a label set of their own being made.
func (m *Members) valuesOf(get func(name string) string) bool {
	if m.Def.Agg == nil || m.Def.Without || m.setNum != nil || m.Def.Relabel != nil {
		return false
	}
	m.spell(m.Def.Grouping, get)
	return true
}

// spell makes values the values of some labels, each with its length before it.
func (m *Members) spell(names []string, get func(name string) string) {
	m.values = m.values[:0]
	for _, name := range names {
		v := ""
		if m.Def.KeepsName() || !schema.IsMetadataLabel(name) {
			v = get(name)
		}
		m.values = append(binary.AppendUvarint(m.values, uint64(len(v))), v...)
	}
}

// valueIn looks a label up, "" where there is none.
func valueIn(in []series.Label) func(name string) string {
	return func(name string) string {
		for i := range in {
			if in[i].Name == name {
				return in[i].Value
			}
		}
		return ""
	}
}

// seenIn looks a label up as the expression sees it.
func (m *Members) seenIn(in []series.Label) func(name string) string {
	if m.Def.Relabel == nil {
		return valueIn(in)
	}
	return m.Def.Seen(toLabels(in)).Get
}

// told is the labels by which series of one leaf can be told apart beneath its
// aggregation.
func (m *Members) told(lset labels.Labels) labels.Labels {
	switch lset = m.Def.Seen(lset); {
	case m.Def.KeepsName():
		return lset
	case m.Def.Relabel != nil:
		return lset.DropReserved(schema.IsMetadataLabel)
	default:
		return lset.DropReserved(isMetricName)
	}
}

func isMetricName(name string) bool { return name == series.MetricName }

func toLabels(in []series.Label) labels.Labels {
	b := labels.NewScratchBuilder(len(in))
	for _, l := range in {
		b.Add(l.Name, l.Value)
	}
	b.Sort()
	return b.Labels()
}
