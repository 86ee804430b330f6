package yamltext

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// Pair is one key of a mapping, and its value without aliases.
type Pair struct{ Key, Value *yaml.Node }

// Merge keys may nest so deep, and bring so many mappings into one. What goes beyond
// that merges itself, or was written to keep its reader busy: mappings that each
// merge the one before them twenty times over have 20^n pairs after n lines.
const (
	mergeDepth    = 16
	mergeMappings = 1000
)

// Pairs lists the keys of a mapping in their order, those of merge keys last; nil
// of anything else. A merge key (`<<: *defaults`, or a list of such) brings the
// keys of other mappings, of which those count that are not there yet. A key that
// stands in the mapping itself twice is there twice.
func Pairs(n *yaml.Node) []Pair {
	left := mergeMappings
	return pairsWithin(n, mergeDepth, &left)
}

// pairsWithin is Pairs, for a mapping that is merged into others no deeper than
// depth; it counts mappings off left.
func pairsWithin(n *yaml.Node, depth int, left *int) []Pair {
	n = Resolve(n)
	if n.Kind != yaml.MappingNode || depth == 0 || *left == 0 {
		return nil
	}
	*left--
	var own []Pair
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], Resolve(n.Content[i+1])
		switch {
		case key.Tag != "!!merge":
			own = append(own, Pair{key, value})
		case value.Kind == yaml.SequenceNode:
			merged = append(merged, value.Content...)
		default:
			merged = append(merged, value)
		}
	}
	for _, m := range merged {
		for _, p := range pairsWithin(m, depth-1, left) {
			if !slices.ContainsFunc(own, func(o Pair) bool { return o.Key.Value == p.Key.Value }) {
				own = append(own, p)
			}
		}
	}
	return own
}

// BadMerge finds a merge key of a mapping that does not name a mapping, or list
// of them.
func BadMerge(n *yaml.Node) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], Resolve(n.Content[i+1])
		if key.Tag != "!!merge" || value.Kind == yaml.MappingNode {
			continue
		}
		if value.Kind != yaml.SequenceNode || slices.ContainsFunc(value.Content, func(m *yaml.Node) bool { return Resolve(m).Kind != yaml.MappingNode }) {
			return key
		}
	}
	return nil
}

// Keys lists the keys of a mapping as Pairs does, by name.
func Keys(n *yaml.Node) []string {
	var keys []string
	for _, p := range Pairs(n) {
		keys = append(keys, p.Key.Value)
	}
	return keys
}

// Empty reports whether a key is without a value: `rules:`, `rules: null`, `~`.
func Empty(n *yaml.Node) bool { return n != nil && n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// Resolve follows aliases, to where the value stands.
func Resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}
