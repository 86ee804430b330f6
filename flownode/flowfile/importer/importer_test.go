package importer_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"laminar/flownode/flowfile"
	"laminar/flownode/flowfile/importer"
)

var rewrite = flag.Bool("rewrite", false, "write anew what is made of the files")

// files is where files of each format are, and beside each what is made of it.
const files = "../../../testdata/import/"

// TestFiles: what is made of files as people have them, definition by definition.
func TestFiles(t *testing.T) {
	found, err := filepath.Glob(files + "*.yaml")
	if err != nil || len(found) < 3 {
		t.Fatalf("%v, %v", found, err)
	}
	for _, path := range found {
		if strings.HasSuffix(path, ".flows.yaml") {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			r, problems := importer.Import(filepath.Base(path), data, importer.Options{})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if r.Format == importer.FormatDefinitions {
				if _, problems := flowfile.Parse(path, data); len(problems) > 0 || len(r.Items) > 0 {
					t.Fatalf("%v, %v", problems, r.Items)
				}
				return
			}
			text := r.Definitions()
			golden := strings.TrimSuffix(path, ".yaml") + ".flows.yaml"
			if *rewrite {
				if err := os.WriteFile(golden, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || string(want) != text {
				t.Errorf("%v: run go test ./flownode/flowfile/importer -rewrite; it is\n%s", err, text)
			}
			flows, problems := flowfile.Parse(golden, []byte(text))
			if len(problems) > 0 || len(flows) != r.Count(importer.Exact)+r.Count(importer.Different) {
				t.Errorf("%d flows of %s, problems %v", len(flows), r.Counts(), problems)
			}
		})
	}
}

// TestFaults: what is wrong with a file is said with its line.
func TestFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":       "f:1: the file is empty",
		"a: [":   "f:1: not valid YAML: ",
		"foo: 1": "f:1: want a list with",
		"- match: m\n  interval: 1m\n  outputs: [sum_samples]\n  bye: [a]":        `f:4: rule 1: unknown key "bye"; known are name, match,`,
		"- match: m\n  interval: 1 minute\n  outputs: [sum_samples]":              `f:2: rule 1: interval: "1 minute" is not a duration such as 30s or 1m`,
		"- match: m\n  interval: 1m":                                              "f:1: rule 1: outputs is missing",
		"- match: m\n  interval: 1m\n  by: [a]\n  without: [b]\n  outputs: [min]": "f:4: rule 1: has both by and without",
		"- match: m\n  interval: 1m\n  outputs: min":                              "f:3: rule 1: outputs: want a list",
		"aggregations:\n- aggregationType: Sum\n  labels: {grouping: [], aggregated: [], rollup: []}\n  parameters: {}\n  metric: m\n  windowSize: 60":                            "f:2: aggregation 1 of the list: aggregationId is missing",
		"aggregations:\n- aggregationId: 1\n  aggregationType: Sum\n  labels: {grouping: []}\n  parameters: {}\n  metric: m\n  windowSize: 60":                                    "f:4: aggregation 1: labels: aggregated is missing; it may be an empty list",
		"aggregations:\n- aggregationId: 1\n  aggregationType: Sum\n  labels: {grouping: [], aggregated: [], rollup: []}\n  parameters: {rows: 3}\n  metric: m\n  windowSize: 60": `f:5: aggregation 1: parameters: unknown key "rows"; known are K, k,`,
	} {
		r, problems := importer.Import("f", []byte(text), importer.Options{})
		if r != nil || len(problems) == 0 || !strings.HasPrefix(problems[0].String(), want) {
			t.Errorf("%q: %v, %v, want %s", text, r, problems, want)
		}
	}
}

// TestEveryOutput: of each output of VictoriaMetrics, by labels, without some and for each
// series, there is a flow that is understood, or a reason why not.
func TestEveryOutput(t *testing.T) {
	outputs := []string{
		"avg", "count_samples", "count_series", "histogram_bucket", "increase", "increase_prometheus", "last", "max", "min",
		"quantiles(0.5, 0.99)", "rate_avg", "rate_sum", "stddev", "stdvar", "sum_samples", "sum_samples_total", "total",
		"total_prometheus", "unique_samples",
	}
	for _, grouping := range []string{"", "  by: [job, __name__]\n", "  without: [pod]\n"} {
		for _, match := range []string{"m", `['m{a="1"}', 'm{b=~"2|3"}']`, `'{__name__=~"m|n:o", c!=""}'`} {
			for _, output := range outputs {
				text := fmt.Sprintf("- match: %s\n  interval: 90s\n%s  outputs: ['%s']\n", match, grouping, output)
				r, problems := importer.Import("f", []byte(text), importer.Options{})
				if len(problems) > 0 || len(r.Items) == 0 {
					t.Fatalf("%s: %v", text, problems)
				}
				for _, it := range r.Items {
					if it.Verdict == importer.Refused && (len(it.Reasons) != 1 || strings.Contains(it.Reasons[0], "flow ")) {
						t.Errorf("%s: %v", text, it)
					}
					if (it.Verdict == importer.Exact) != (len(it.Reasons) == 0) || (it.Flow == nil) != (it.Verdict == importer.Refused) {
						t.Errorf("%s: %v", text, it)
					}
				}
			}
		}
	}
}

// TestSubTypes: a sub type says more than the type where ASAPQuery has it so, in its
// spellings. Any other is refused, and never taken for what the type does without one.
func TestSubTypes(t *testing.T) {
	for types, want := range map[string]string{
		"Sum":                       "sum by (g) (sum_over_time(m[1m] offset 1ms))",
		"Sum sum":                   "sum by (g) (sum_over_time(m[1m] offset 1ms))",
		"MultipleSum count":         "sum by (g) (count_over_time(m[1m] offset 1ms))",
		"Sum avg":                   "",
		"CountMinSketch Count":      "sum by (g) (count_over_time(m[1m] offset 1ms))",
		"CountMinSketch max":        "",
		"MinMax Max":                "max by (g) (max_over_time(m[1m] offset 1ms))",
		"MinMax":                    "",
		"MultipleMinMax sum":        "",
		"MultipleIncrease increase": "sum by (g) (increase(m[1m] offset 1ms))",
		"Increase rate":             "sum by (g) (increase(m[1m] offset 1ms))",
		"Increase delta":            "",
		"DatasketchesKLL kll":       "sum by (g) (histogram_over_time(m[1m] offset 1ms))",
		"DatasketchesKLL avg":       "",
		"HLL hll":                   "count(group by (g) (present_over_time(m[1m] offset 1ms)))",
		"HLL sum":                   "",
		"SetAggregator":             "group by (g) (present_over_time(m[1m] offset 1ms))",
		"SetAggregator count":       "",

		"SingleSubpopulation Sum":                "sum by (g) (sum_over_time(m[1m] offset 1ms))",
		"SingleSubpopulation datasketches_kll":   "sum by (g) (histogram_over_time(m[1m] offset 1ms))",
		"SingleSubpopulation":                    "",
		"SingleSubpopulation hydra_kll":          "",
		"MultipleSubpopulation hydra_kll":        "sum by (g) (histogram_over_time(m[1m] offset 1ms))",
		"MultipleSubpopulation count_min_sketch": "sum by (g) (sum_over_time(m[1m] offset 1ms))",
		"MultipleSubpopulation CMS":              "sum by (g) (sum_over_time(m[1m] offset 1ms))",
		"MultipleSubpopulation median":           "",
		"Sums":                                   "",
	} {
		kind, sub, _ := strings.Cut(types, " ")
		r, problems := importer.Import("f", []byte(`aggregations:
- aggregationId: 1
  aggregationType: `+kind+`
  aggregationSubType: '`+sub+`'
  labels: {grouping: [], aggregated: [g], rollup: []}
  parameters: {}
  metric: m
  windowSize: 60
`), importer.Options{})
		if len(problems) > 0 || len(r.Items) != 1 {
			t.Errorf("%s: %v, %v", types, r, problems)
			continue
		}
		got := ""
		if it := r.Items[0]; it.Flow != nil {
			got = it.Flow.PromQL
		} else if !strings.Contains(it.Reasons[0], "known") && !strings.Contains(it.Reasons[0], "want min or max") {
			t.Errorf("%s is refused: %s", types, it.Reasons)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", types, got, want)
		}
	}
}

// TestHostile: nothing that a file holds is obeyed by a terminal, and the definitions still
// mean it.
func TestHostile(t *testing.T) {
	evil := "x\x1b[31m\u009b31m\u202eabc\u2066\u2028\n- y\r\t\x7f"
	quoted := strconv.QuoteToASCII(evil)
	victoria := fmt.Sprintf("- name: %[1]s\n  match: %[2]s\n  interval: 1m\n  by: [%[1]s]\n  outputs: [min, %[1]s]\n"+
		"  input_relabel_configs: [{target_label: a, replacement: %[1]s}]\n", quoted, strconv.QuoteToASCII("m{l="+quoted+"}"))
	asap := fmt.Sprintf("aggregations:\n- aggregationId: 1\n  aggregationType: Sum\n  labels: {grouping: [%[1]s], aggregated: [], rollup: []}\n"+
		"  parameters: {}\n  metric: m\n  windowSize: 60\n  spatialFilter: %[2]s\n"+
		"- aggregationId: 2\n  aggregationType: %[1]s\n  labels: {grouping: [], aggregated: [], rollup: []}\n  parameters: {}\n  metric: %[1]s\n  windowSize: 60\n",
		quoted, strconv.QuoteToASCII("l="+quoted))
	for _, text := range []string{victoria, asap} {
		r, problems := importer.Import(evil, []byte(text), importer.Options{})
		if len(problems) > 0 || r.Count(importer.Refused) != 1 || len(r.Items) != 2 {
			t.Fatalf("%v, %+v", problems, r)
		}
		for _, out := range []string{r.Definitions(), r.Report()} {
			for _, c := range out {
				if c != '\n' && (unicode.IsControl(c) || unicode.In(c, unicode.Zl, unicode.Zp, unicode.Cf)) {
					t.Errorf("%U stands in\n%q", c, out)
				}
			}
		}
		flows, problems := flowfile.Parse("f", []byte(r.Definitions()))
		if len(problems) > 0 || len(flows) != 1 {
			t.Fatalf("%v of\n%s", problems, r.Definitions())
		}
		if !strings.Contains(flows[0].PromQL, strconv.Quote(evil)) {
			t.Errorf("the selector is lost: %s", flows[0].PromQL)
		}
		if len(flows[0].Relabel) > 0 && (flows[0].Relabel[0].Replacement == nil || *flows[0].Relabel[0].Replacement != evil) {
			t.Errorf("the replacement is %+v", flows[0].Relabel[0])
		}
	}
}

// TestASAPSizes: a size of a sketch that is none is a fault of its line, whatever is made of
// the sketch; others are not looked at.
func TestASAPSizes(t *testing.T) {
	parse := func(kind, key, value string) string {
		_, problems := importer.Import("f", []byte("aggregations:\n- aggregationId: 1\n  aggregationType: "+kind+
			"\n  labels: {grouping: [a], aggregated: [], rollup: []}\n  metric: m\n  windowSize: 60\n  parameters:\n    "+key+": "+value+"\n"), importer.Options{})
		if len(problems) == 0 {
			return ""
		}
		return problems[0].String()
	}
	for _, key := range []string{"K", "k", "lgK", "precision", "row_num", "col_num", "depth", "width", "heapsize", "heap_size", "relativeAccuracy", "relative_accuracy"} {
		good, bad := []string{"1", "200", "2147483647", "'8'"}, []string{"abc", "-3", "0", "1.5", "1e3", "99999999999999999999", "2147483648", "", "~", "[1]", "{a: 1}", "true", ".nan", "0x10"}
		if strings.HasPrefix(key, "relative") {
			good, bad = []string{"0.01", "1e-3", ".5"}, []string{"abc", "-0.1", "0", "1", "2", "", "~", "[1]", ".nan", ".inf", "NaN"}
		}
		for _, kind := range []string{"DatasketchesKLL", "CountMinSketch", "HLL", "Sum"} {
			for _, value := range good {
				if got := parse(kind, key, value); got != "" {
					t.Errorf("%s, %s: %s: %s", kind, key, value, got)
				}
			}
			for _, value := range bad {
				if got := parse(kind, key, value); !strings.HasPrefix(got, "f:8: aggregation 1: parameters: "+key+": want ") {
					t.Errorf("%s, %s: %s: got %q, want a fault of line 8", kind, key, value, got)
				}
			}
		}
	}
}
