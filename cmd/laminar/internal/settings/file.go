package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"laminar/flownode/flowfile/yamltext"
	"laminar/flownode/nearest"
	"laminar/sequence/relabeling"
	"laminar/server/upkeep"
)

// readConfigFile reads a YAML file over c. A key that is not a setting is
// refused, never ignored.
func readConfigFile(path string, c *Config) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read settings: %w", MissingFile(path, err))
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		line, text := yamltext.Fault(data, err)
		return &Fault{err: fmt.Errorf("%s:%d: not valid YAML: %s", path, line, text)}
	}
	r := &configReader{path: path, config: c}
	if len(doc.Content) == 1 {
		r.read("", doc.Content[0])
	}
	if len(r.faults) > 0 {
		return &Fault{err: Lines(r.faults)}
	}
	return nil
}

// configReader walks the YAML tree. Nested keys make one key with dots between.
type configReader struct {
	path   string
	config *Config
	faults []string
}

func (r *configReader) faultf(n *yaml.Node, format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf("%s:%d: %s", r.path, n.Line, fmt.Sprintf(format, args...)))
}

func (r *configReader) read(prefix string, n *yaml.Node) {
	n = yamltext.Resolve(n)
	if n.Kind != yaml.MappingNode {
		r.faultf(n, "%s: want keys with values", strings.TrimSuffix(prefix, "."))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, below := n.Content[i], n.Content[i+1]
		key := prefix + name.Value
		at := slices.IndexFunc(table, func(s setting) bool { return s.key == key })
		switch {
		case key == "refills":
			r.refills(below)
		case key == "ingest.relabel":
			r.relabel(below)
		case at >= 0:
			r.set(table[at], below)
		case slices.ContainsFunc(table, func(s setting) bool { return strings.HasPrefix(s.key, key+".") }):
			r.read(key+".", below)
		default:
			r.faultf(name, "%s is not a setting%s", key, DidYouMean(nearestSetting(key)))
		}
	}
}

func (r *configReader) set(s setting, n *yaml.Node) {
	n = yamltext.Resolve(n)
	text := n.Value
	switch {
	case n.Kind == yaml.SequenceNode && s.bind(r.config).Type() == "strings":
		words := make([]string, len(n.Content))
		for i, word := range n.Content {
			words[i] = word.Value
		}
		text = strings.Join(words, ",")
	case n.Kind != yaml.ScalarNode:
		r.faultf(n, "%s: want one value", s.key)
		return
	}
	if err := s.bind(r.config).Set(text); err != nil {
		r.faultf(n, "%s: %v", s.key, err)
	}
}

// relabel reads the rules of ingest.relabel.
func (r *configReader) relabel(n *yaml.Node) {
	rules, problems := relabeling.Read(n)
	for _, p := range problems {
		r.faults = append(r.faults, fmt.Sprintf("%s:%d: ingest.relabel: %s", r.path, p.Line, p.Text))
	}
	r.config.Ingest.Relabel = rules
}

func (r *configReader) refills(n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		r.faultf(n, "refills: want a list of flow, schedule, from and to")
		return
	}
	for _, item := range n.Content {
		if item.Kind != yaml.MappingNode {
			r.faultf(item, "refills: want flow, schedule, from and to")
			continue
		}
		var plan upkeep.Refill
		into := map[string]*string{"flow": &plan.Flow, "schedule": &plan.Schedule, "from": &plan.From, "to": &plan.To}
		for i := 0; i+1 < len(item.Content); i += 2 {
			key, value := item.Content[i], item.Content[i+1]
			switch field := into[key.Value]; {
			case field == nil:
				r.faultf(key, "refills: %s is none of flow, schedule, from and to%s", key.Value, DidYouMean(nearest.Name(key.Value, slices.Sorted(maps.Keys(into)))))
			case value.Kind != yaml.ScalarNode:
				r.faultf(value, "refills: %s: want one value", key.Value)
			default:
				*field = value.Value
			}
		}
		r.config.Upkeep.Refills = append(r.config.Upkeep.Refills, plan)
	}
}
