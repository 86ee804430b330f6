package flowdef

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// pair is one key of a mapping, and its value without aliases.
type pair struct{ key, value *yaml.Node }

// Merge keys may nest so deep, and bring so many mappings into one: what has more is
// a mapping that merges itself, or that is made to take all time there is.
const (
	mergeDepth    = 16
	mergeMappings = 1000
)

// pairs lists the keys of a mapping in their order, those of merge keys last; nil
// of anything else. A merge key (`<<: *defaults`, or a list of such) brings the
// keys of other mappings, of which those count that are not there yet. A key that
// stands in the mapping itself twice is there twice.
func pairs(n *yaml.Node) []pair {
	left := mergeMappings
	return pairsWithin(n, mergeDepth, &left)
}

func pairsWithin(n *yaml.Node, depth int, left *int) []pair {
	n = resolve(n)
	if n.Kind != yaml.MappingNode || depth == 0 || *left == 0 {
		return nil
	}
	*left--
	var own []pair
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		switch {
		case key.Tag != "!!merge":
			own = append(own, pair{key, value})
		case value.Kind == yaml.SequenceNode:
			merged = append(merged, value.Content...)
		default:
			merged = append(merged, value)
		}
	}
	for _, m := range merged {
		for _, p := range pairsWithin(m, depth-1, left) {
			if !slices.ContainsFunc(own, func(o pair) bool { return o.key.Value == p.key.Value }) {
				own = append(own, p)
			}
		}
	}
	return own
}

// badMerge finds a merge key of a mapping that does not name a mapping, or list
// of them.
func badMerge(n *yaml.Node) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		if key.Tag != "!!merge" || value.Kind == yaml.MappingNode {
			continue
		}
		if value.Kind != yaml.SequenceNode || slices.ContainsFunc(value.Content, func(m *yaml.Node) bool { return resolve(m).Kind != yaml.MappingNode }) {
			return key
		}
	}
	return nil
}

// topKeys lists the keys of a mapping in their order; nil of anything else.
func topKeys(n *yaml.Node) []string {
	var keys []string
	for _, p := range pairs(n) {
		keys = append(keys, p.key.Value)
	}
	return keys
}

// empty reports whether a key is without a value: `rules:`, `rules: null`, `~`.
func empty(n *yaml.Node) bool { return n != nil && n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
