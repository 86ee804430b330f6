package importer

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile/yamltext"
)

// Import reads a file. Its faults, a key that is not known among them, are problems at their
// lines; then there is no result.
func Import(file string, data []byte, opts Options) (*Result, []flowdef.Problem) {
	r := &reader{file: file, opts: opts, names: map[string]bool{}}
	root := r.document(data)
	if root == nil {
		return nil, r.problems
	}
	out := &Result{File: file}
	keys := yamltext.Keys(root)
	switch {
	case slices.Contains(keys, "groups"), slices.Contains(keys, "kind"), slices.Contains(keys, "flows"), isBareList(root):
		out.Format = FormatDefinitions
	case root.Kind == yaml.SequenceNode:
		out.Format = FormatVictoria
		r.victoria(root)
	case slices.Contains(keys, "aggregations"):
		out.Format = FormatASAP
		r.asap(root)
	default:
		r.addf(root, "want a list with `outputs:` (stream aggregation of VictoriaMetrics) or `aggregations:` (streaming configuration of ASAPQuery) at the top level")
	}
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b flowdef.Problem) int { return a.Line - b.Line })
		return nil, r.problems
	}
	out.Items = r.items
	return out, nil
}

// isBareList reports whether a document is a list of Laminar's own.
func isBareList(root *yaml.Node) bool {
	return root.Kind == yaml.SequenceNode && len(root.Content) > 0 && slices.Contains(yamltext.Keys(yamltext.Resolve(root.Content[0])), "promql")
}
