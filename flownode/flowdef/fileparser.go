package flowdef

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// fileParser reads one file. Everything it finds wrong goes to problems.
type fileParser struct {
	file     string
	lines    []string
	lookback int64 // ms
	flows    []Flow
	problems []Problem
}

func (p *fileParser) addf(at *yaml.Node, format string, args ...any) {
	p.add(at.Line, format, args...)
}

func (p *fileParser) add(line int, format string, args ...any) {
	p.problems = append(p.problems, Problem{File: p.file, Line: line, Message: fmt.Sprintf(format, args...)})
}

// resolve follows YAML aliases.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func topKeys(n *yaml.Node) []string {
	var keys []string
	if n.Kind == yaml.MappingNode {
		for i := 0; i < len(n.Content); i += 2 {
			keys = append(keys, n.Content[i].Value)
		}
	}
	return keys
}
