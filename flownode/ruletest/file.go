package ruletest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// File is a unit-test file.
type File struct {
	RuleFiles          []string       `yaml:"rule_files"` // paths and patterns, relative to the file
	EvaluationInterval model.Duration `yaml:"evaluation_interval"`
	GroupEvalOrder     []string       `yaml:"group_eval_order"`
	FuzzyCompare       bool           `yaml:"fuzzy_compare"`
	Tests              []Test         `yaml:"tests"`
}

// Test is one test of a file: input series, and what is expected over them.
type Test struct {
	Name           string            `yaml:"name"`
	Interval       model.Duration    `yaml:"interval"` // between the samples of an input series
	InputSeries    []Input           `yaml:"input_series"`
	Exprs          []ExprTest        `yaml:"promql_expr_test"`
	Alerts         []AlertTest       `yaml:"alert_rule_test"`
	ExternalLabels map[string]string `yaml:"external_labels"`
	ExternalURL    string            `yaml:"external_url"`
	Start          Start             `yaml:"start_timestamp"`
}

// Input is a series in the notation of Prometheus's tests: a{b="c"}, and 0+10x5 _ 3.
type Input struct {
	Series string `yaml:"series"`
	Values string `yaml:"values"`
}

// ExprTest is an expression and what it gives.
type ExprTest struct {
	Expr     string         `yaml:"expr"`
	EvalTime model.Duration `yaml:"eval_time"`
	Samples  []Expected     `yaml:"exp_samples"`
}

// Expected is a sample of a result; with a histogram the value does not count.
type Expected struct {
	Labels    string  `yaml:"labels"`
	Value     float64 `yaml:"value"`
	Histogram string  `yaml:"histogram"`
}

// AlertTest is the firing alerts of a rule at a time.
type AlertTest struct {
	EvalTime model.Duration  `yaml:"eval_time"`
	Name     string          `yaml:"alertname"`
	Alerts   []ExpectedAlert `yaml:"exp_alerts"`
}

// ExpectedAlert is one of them.
type ExpectedAlert struct {
	Labels      map[string]string `yaml:"exp_labels"`
	Annotations map[string]string `yaml:"exp_annotations"`
}

// Start is when a test begins, ms since the epoch: of seconds, or a time of RFC 3339.
type Start int64

// UnmarshalYAML reads either form.
func (s *Start) UnmarshalYAML(n *yaml.Node) error {
	if seconds, err := strconv.ParseFloat(n.Value, 64); err == nil {
		*s = Start(math.Round(seconds * 1000))
		return nil
	}
	at, err := time.Parse(time.RFC3339Nano, n.Value)
	if err != nil {
		return fmt.Errorf("line %d: start_timestamp: want seconds since 1970 or a time such as 2026-01-31T12:00:00Z, not %q", n.Line, n.Value)
	}
	*s = Start(at.UnixMilli())
	return nil
}

// unknownKey is what the decoder says of one, with the name of a Go type in it.
var unknownKey = regexp.MustCompile(`field (.+) not found in type \S+`)

// Read reads a unit-test file. Unknown keys are errors, as promtool has it.
func Read(data []byte) (File, error) {
	var f File
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return File{}, fmt.Errorf("read the test file: %s", unknownKey.ReplaceAllString(err.Error(), "$1 is not a key of such a file"))
	}
	if f.EvaluationInterval == 0 {
		f.EvaluationInterval = model.Duration(time.Minute)
	}
	named := map[string]bool{}
	for _, group := range f.GroupEvalOrder {
		if named[group] {
			return File{}, fmt.Errorf("group_eval_order: group %s is there twice", group)
		}
		named[group] = true
	}
	for i := range f.Tests {
		t := &f.Tests[i]
		if t.Interval == 0 {
			t.Interval = f.EvaluationInterval
		}
		for _, a := range t.Alerts {
			if a.Name == "" {
				return File{}, fmt.Errorf("alert_rule_test at %s: alertname is missing", a.EvalTime)
			}
		}
	}
	return f, nil
}

// Title is the test's name, or its number in the file, from 0, as promtool has it.
func (t *Test) Title(number int) string {
	if t.Name == "" {
		return "unnamed#" + strconv.Itoa(number)
	}
	return t.Name
}

// last is how far into the test something is expected, ms.
func (t *Test) last() int64 {
	last := int64(0)
	for _, e := range t.Exprs {
		last = max(last, millis(e.EvalTime))
	}
	for _, a := range t.Alerts {
		last = max(last, millis(a.EvalTime))
	}
	return last
}

func millis(d model.Duration) int64 { return time.Duration(d).Milliseconds() }
