package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"laminar/flownode/flowdef"
	"laminar/server/upkeep"
)

// load makes the configuration of one run of a command: defaults, over them
// the file, over it the environment, over it the flags. Whatever is wrong is
// said with where it stands.
func (a *app) load(cmd *cobra.Command) (config, error) {
	c := defaultConfig()
	file := a.config
	if file == "" {
		file, _ = a.environ("LAMINAR_CONFIG")
	}
	if file != "" {
		if err := readConfigFile(file, &c); err != nil {
			return c, err
		}
	}
	for _, s := range settings {
		if text, found := a.environ(s.env()); found {
			if err := s.bind(&c).Set(text); err != nil {
				return c, usagef("%s: %w", s.env(), err)
			}
			a.settle(&c, s.key)
		}
	}
	for _, s := range settings {
		typed := s.typed(cmd)
		if typed == nil {
			continue
		}
		text := typed.text[len(typed.text)-1]
		if typed.kind == "strings" {
			text = strings.Join(typed.text, ",")
		}
		if err := s.bind(&c).Set(text); err != nil {
			return c, usagef("--%s: %w", s.flag(), err)
		}
		a.settle(&c, s.key)
	}
	if err := c.Validate(); err != nil {
		return c, err
	}
	a.nameStrays(cmd, &c)
	return c, nil
}

// settle lets the database that was named last win, whichever of the two
// settings named it: --database-url must be able to override a file that has
// database.url_file.
func (a *app) settle(c *config, key string) {
	switch key {
	case "database.url":
		c.URLFile = ""
	case "database.url_file":
		c.Database.URL = ""
	}
}

// readConfigFile reads a YAML file over c. A key that is not a setting is
// refused, never ignored.
func readConfigFile(path string, c *config) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read settings: %w", missingFile(path, err))
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		line, text := flowdef.SyntaxFault(data, err)
		return &usageError{err: fmt.Errorf("%s:%d: not valid YAML: %s", path, line, text)}
	}
	r := &configReader{path: path, config: c}
	if len(doc.Content) == 1 {
		r.read("", doc.Content[0])
	}
	if len(r.faults) > 0 {
		return &usageError{err: linesError(r.faults)}
	}
	return nil
}

// target is what a YAML alias stands for.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// configReader walks the YAML tree. Nested keys make one key with dots between.
type configReader struct {
	path   string
	config *config
	faults []string
}

func (r *configReader) faultf(n *yaml.Node, format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf("%s:%d: %s", r.path, n.Line, fmt.Sprintf(format, args...)))
}

func (r *configReader) read(prefix string, n *yaml.Node) {
	n = target(n)
	if n.Kind != yaml.MappingNode {
		r.faultf(n, "%s: want keys with values", strings.TrimSuffix(prefix, "."))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, below := n.Content[i], n.Content[i+1]
		key := prefix + name.Value
		at := slices.IndexFunc(settings, func(s setting) bool { return s.key == key })
		switch {
		case key == "refills":
			r.refills(below)
		case at >= 0:
			r.set(settings[at], below)
		case slices.ContainsFunc(settings, func(s setting) bool { return strings.HasPrefix(s.key, key+".") }):
			r.read(key+".", below)
		default:
			r.faultf(name, "%s is not a setting%s", key, didYouMean(nearestSetting(key)))
		}
	}
}

func (r *configReader) set(s setting, n *yaml.Node) {
	n = target(n)
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
				r.faultf(key, "refills: %s is none of flow, schedule, from and to%s", key.Value, didYouMean(flowdef.Nearest(key.Value, slices.Sorted(maps.Keys(into)))))
			case value.Kind != yaml.ScalarNode:
				r.faultf(value, "refills: %s: want one value", key.Value)
			default:
				*field = value.Value
			}
		}
		r.config.Upkeep.Refills = append(r.config.Upkeep.Refills, plan)
	}
}

// logger is the log of a configuration that is valid.
func (a *app) logger(c *config) *slog.Logger {
	level, _ := logLevel(c.Log.Level) // Validate has looked at it
	opts := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, opts))
	}
	return slog.New(slog.NewTextHandler(a.stderr, opts))
}
