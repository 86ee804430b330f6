// Package labelset is sets of label names of which it may not be known what is in them: the
// labels that results of an expression can have.
package labelset

import (
	"slices"

	"github.com/prometheus/prometheus/schema"
)

// Set is the labels that something can have, or, if not known, any.
type Set struct {
	Known bool
	Names []string // sorted
}

// The two sets without a name in them: nothing is known, and there is nothing.
var (
	Any  = Set{}
	None = Set{Known: true}
)

// Of is the set of some names, given in any order and repeatedly.
func Of(names ...string) Set {
	names = slices.Clone(names)
	slices.Sort(names)
	return Set{Known: true, Names: slices.Compact(names)}
}

// Union is the labels of two sets, unknown if one of them is.
func (s Set) Union(t Set) Set {
	if !s.Known || !t.Known {
		return Any
	}
	return Of(append(slices.Clone(s.Names), t.Names...)...)
}

// Keep is what remains when only the names are kept: it is known even where s
// is not.
func (s Set) Keep(names []string) Set {
	if !s.Known {
		return Of(names...)
	}
	return s.Filter(func(name string) bool { return slices.Contains(names, name) })
}

// Drop is what remains without some names: of an unknown set an unknown one.
func (s Set) Drop(names ...string) Set {
	return s.Filter(func(name string) bool { return !slices.Contains(names, name) })
}

// WithoutName drops what Prometheus 3 calls metadata labels: name, type and unit.
func (s Set) WithoutName() Set {
	return s.Filter(func(name string) bool { return !schema.IsMetadataLabel(name) })
}

// Filter is the names of a known set for which keep is true.
func (s Set) Filter(keep func(string) bool) Set {
	if !s.Known {
		return s
	}
	out := Set{Known: true}
	for _, name := range s.Names {
		if keep(name) {
			out.Names = append(out.Names, name)
		}
	}
	return out
}
