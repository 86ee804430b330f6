package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"laminar/server/view"
)

// promtool runs the tests of a file with the real one, of the package whose Prometheus
// the senders' tests use.
func promtool(t *testing.T, file string) (code int, output string) {
	t.Helper()
	prometheus, err := filepath.EvalSymlinks("../../.tools/bin/prometheus")
	if err != nil {
		t.Fatalf("no prometheus in .tools: run scripts/setup-tools.sh: %v", err)
	}
	cmd := exec.Command(filepath.Join(filepath.Dir(prometheus), "promtool"), "test", "rules", file)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState.ExitCode() < 0 {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

var (
	numbers = regexp.MustCompile(`-?[0-9.]+E[-+][0-9]+`)
	wrapped = regexp.MustCompile(`err: evaluate .* at [0-9]+: `)
)

// findings is what a run found to be wrong, without what the two programs may word
// differently: the names of tests, empty lines, and the last digits of values.
func findings(output string) []string {
	var out []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "name: ") || strings.HasPrefix(line, "WARNING:") || strings.HasPrefix(line, "input_series ") ||
			strings.HasPrefix(line, "1:") {
			continue
		}
		line = wrapped.ReplaceAllString(line, "err: ")
		out = append(out, numbers.ReplaceAllStringFunc(line, func(text string) string {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return text
			}
			return strconv.FormatFloat(v, 'e', 8, 64)
		}))
	}
	return out
}

// TestFlowTestIsPromtool: files of tests end as with promtool, and say the same.
func TestFlowTestIsPromtool(t *testing.T) {
	for _, file := range []string{"passes_test.yml", "fails_test.yml", "alerts_test.yml"} {
		path := filepath.Join("../../testdata/ruletest", file)
		want, theirs := promtool(t, path)
		code, stdout, stderr := invoke(t.Context(), "", "flow", "test", path)
		if code != want {
			t.Errorf("%s: exit code %d, promtool's is %d\n%s%s", file, code, want, stdout, stderr)
		}
		compareFindings(t, file, stdout+stderr, theirs)
	}
	code, stdout, stderr := invoke(t.Context(), "", "flow", "test", "../../testdata/ruletest/histograms_test.yml")
	if code != exitOK {
		t.Errorf("histograms: exit code %d\n%s%s", code, stdout, stderr)
	}
}

func compareFindings(t *testing.T, what, ours, theirs string) {
	t.Helper()
	got, want := findings(ours), findings(theirs)
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("%s: only promtool says %s", what, want[i])
		case i >= len(want):
			t.Errorf("%s: only we say %s", what, got[i])
		case got[i] != want[i]:
			t.Errorf("%s: we say\n%s\npromtool says\n%s", what, got[i], want[i])
		default:
			continue
		}
		return
	}
}

// TestFlowTestOnRandomSeries: with expectations that are all wrong, both programs say
// what they have computed: on random series with gaps, resets and ends, over random
// intervals, the same. The real one is of Prometheus 2, in which the border of a window
// belonged to it, rates were extrapolated otherwise and equal values had no order: there
// is nothing of these here.
func TestFlowTestOnRandomSeries(t *testing.T) {
	exprs := []string{
		"sum by (job) (delta(g[%s]) > bool 0)", "c_total - c_total offset 3m", "max by (job) (g) or vector(0)", "absent(g{job=\"b\"})",
		"avg_over_time(g[%s])", "bottomk(1, sum by (job) (g + c_total / 7))", "quantile_over_time(0.5, g[%s])", "count(g > 5) or vector(0)", "time() - max(g)",
		"sum(resets(c_total[%s])) / count(c_total)", "sum by (job) (g) unless on (job) (max by (job) (changes(c_total[%s])) > 2)",
		"changes(g[%s]) > 0", "stddev(g)", "max_over_time(sum(g)[10m7s:1m])", "label_replace(g, \"x\", \"$1\", \"job\", \"(.*)\")", "vector(3)",
		// Rules over rules.
		"max_over_time(r:1[%s])", "r:1 - r:1 offset 2m", "sum by (job) (g) + on (job) r:5", "avg_over_time(r:16[%s])", "count({__name__=~\"r:1|g\"})", "sum(r:3) + sum(r:18)",
	}
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 5))
		dir := t.TempDir()
		every := []string{"1m", "30s", "2m"}[rng.IntN(3)]
		var rules, series, tests, alerts strings.Builder
		rules.WriteString("groups:\n- name: g\n  rules:\n")
		for i, expr := range exprs {
			if strings.Contains(expr, "%s") {
				expr = fmt.Sprintf(expr, []string{"61007ms", "90007ms", "5m7ms", "7m7ms"}[rng.IntN(4)])
			}
			fmt.Fprintf(&rules, "  - record: r:%d\n    expr: '%s'\n", i, expr)
			for _, at := range []string{"0s", "4m", fmt.Sprintf("%ds", rng.IntN(1800))} {
				fmt.Fprintf(&tests, "  - {expr: 'r:%d', eval_time: %s, exp_samples: [{labels: none, value: 1}]}\n", i, at)
			}
			fmt.Fprintf(&tests, "  - {expr: 'count_over_time(r:%d[25m7s])', eval_time: 25m, exp_samples: [{labels: none, value: 1}]}\n", i)
		}
		for i, expr := range []string{"g > 6", "absent(g{job=\"b\"}) or c_total > 20", "sum by (job) (g) > bool 8"} {
			fmt.Fprintf(&rules, "  - alert: A%d\n    expr: '%s'\n    for: %s\n    keep_firing_for: %s\n    annotations: {is: '{{ $value }} {{ $labels.job }}'}\n",
				i, expr, []string{"0s", "1m", "3m"}[rng.IntN(3)], []string{"0s", "90s", "4m"}[rng.IntN(3)])
			for _, series := range []string{"ALERTS", "ALERTS_FOR_STATE", "count_over_time(ALERTS[29m])"} {
				series = strings.Replace(series, "ALERTS", fmt.Sprintf("ALERTS{alertname=\"A%d\"}", i), 1)
				series = strings.Replace(series, fmt.Sprintf("{alertname=\"A%d\"}_FOR_STATE", i), fmt.Sprintf("_FOR_STATE{alertname=\"A%d\"}", i), 1)
				fmt.Fprintf(&tests, "  - {expr: '%s', eval_time: %ds, exp_samples: [{labels: none, value: 1}]}\n", series, rng.IntN(1740))
			}
			fmt.Fprintf(&alerts, "  - {eval_time: %ds, alertname: A%d, exp_alerts: [{exp_labels: {never: there}}]}\n", rng.IntN(1740), i)
		}
		for _, name := range []string{"c_total", "g"} {
			for _, labels := range []string{`job="a", n="1"`, `job="a", n="2"`, `job="b", n="1"`} {
				var values []string
				v := 0
				for len(values) < 60 {
					switch p := rng.IntN(30); {
					case p == 0:
						values = append(values, "stale")
					case p < 3:
						values = append(values, "_")
					case p == 3 && name == "c_total":
						v = 0
					}
					if v += rng.IntN(20); name == "g" {
						v = rng.IntN(12)
					}
					values = append(values, strconv.Itoa(v))
				}
				fmt.Fprintf(&series, "  - {series: '%s{%s}', values: '%s'}\n", name, labels, strings.Join(values, " "))
			}
		}
		file := filepath.Join(dir, "test.yml")
		text := "rule_files: [rules.yml]\nevaluation_interval: " + every + "\ntests:\n- interval: 31s\n  input_series:\n" + series.String() + "  promql_expr_test:\n" + tests.String() + "  alert_rule_test:\n" + alerts.String()
		for path, text := range map[string]string{filepath.Join(dir, "rules.yml"): rules.String(), file: text} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, theirs := promtool(t, file)
		code, stdout, stderr := invoke(t.Context(), "", "flow", "test", file)
		if code != want || code != exitFault {
			t.Errorf("seed %d: exit code %d, promtool's is %d", seed, code, want)
		}
		compareFindings(t, fmt.Sprintf("seed %d, every %s", seed, every), stdout+stderr, theirs)
		if n := len(findings(theirs)); n < 3*len(exprs)*3 {
			t.Errorf("seed %d: promtool says %d lines", seed, n)
		}
	}
}

// TestFlowTestForPrograms: the same as JSON, and what cannot be run at all.
func TestFlowTestForPrograms(t *testing.T) {
	code, stdout, _ := invoke(t.Context(), "", "flow", "test", "../../testdata/ruletest/fails_test.yml", "../../testdata/ruletest/passes_test.yml", "nowhere.yml", "--output", "json")
	var files []view.TestedFile
	if err := json.Unmarshal([]byte(stdout), &files); err != nil || code != exitFault || len(files) != 3 {
		t.Fatalf("exit code %d, %v: %s", code, err, stdout)
	}
	if files[0].Passed || len(files[0].Tests) != 3 || files[0].Tests[0].Passed || len(files[0].Tests[0].Errors) != 6 || !files[0].Tests[2].Passed {
		t.Errorf("fails_test.yml: %+v", files[0])
	}
	if !files[1].Passed || len(files[1].Tests) != 2 || files[2].Passed || len(files[2].Errors) != 1 {
		t.Errorf("the others: %+v", files[1:])
	}
	if code, _, _ := invoke(t.Context(), "", "flow", "test", "../../testdata/ruletest/fails_test.yml", "--run", "^passes$"); code != exitOK {
		t.Errorf("--run of a test that passes ends with %d", code)
	}
	dir := t.TempDir()
	for text, want := range map[string]string{
		"tests: [{nme: x}]":                "line 1: nme is not a key of such a file",
		"rule_files: [r.yml]\ntests: []":   "r.yml:3: flow a: ",
		"group_eval_order: [a, a]":         "group a is there twice",
		"tests: [{start_timestamp: soon}]": "start_timestamp: want seconds",
		"tests: [{start_timestamp: 90, promql_expr_test: [{expr: '1', eval_time: 1m}]}]":                                                    "multiples of the evaluation interval 1m",
		"tests: [{alert_rule_test: [{eval_time: 1m, alertname: A, exp_alerts: [{}]}]}]":                                                     "alertname: A, time: 1m",
		"tests: [{external_url: ':', promql_expr_test: [{expr: '1'}]}]":                                                                     "external_url: ",
		"tests: [{alert_rule_test: [{eval_time: 1m}]}]":                                                                                     "alertname is missing",
		"tests: [{input_series: [{series: up, values: 1}, {series: up, values: 1}]}]":                                                       "the series is there twice",
		"tests: [{start_timestamp: '2026-01-01T00:00:00Z', promql_expr_test: [{expr: 'time()', exp_samples: [{labels: '{}', value: 1}]}]}]": "got: {} 1.7672256E+09",
	} {
		file := filepath.Join(dir, "t.yml")
		for path, text := range map[string]string{filepath.Join(dir, "r.yml"): "groups:\n- name: g\n  rules: [{record: a, expr: sum(}]\n", file: text} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		code, stdout, stderr := invoke(t.Context(), "", "flow", "test", file)
		if code != exitFault || !strings.Contains(stdout+stderr, want) {
			t.Errorf("%s: exit code %d, %s%s, want %q", text, code, stdout, stderr, want)
		}
	}
}
