package relabeling

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"

	"laminar/sequence/series"
)

// TestAgainstPrometheus reads random rules as Prometheus reads them, good ones and bad
// ones. What Prometheus takes is taken here and does the same to random label sets; what
// it refuses is refused, but for a field that stands there with its default.
func TestAgainstPrometheus(t *testing.T) {
	taken, refused, leftOut, changed := 0, 0, 0, 0
	for seed := range uint64(4000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		text := ""
		for range 1 + rng.IntN(4) {
			text += randomRule(rng)
		}
		var want []*relabel.Config
		wantErr := yaml.Unmarshal([]byte(text), &want)
		for _, cfg := range want {
			if wantErr == nil {
				wantErr = cfg.Validate(model.UTF8Validation)
			}
		}
		rules, problems := Read(document(t, text).Content[0])
		if (len(problems) > 0) != (wantErr != nil) {
			t.Fatalf("seed %d: Prometheus says %v, here it is %v:\n%s", seed, wantErr, problems, text)
		}
		if wantErr != nil {
			refused++
			continue
		}
		taken++
		got, err := New(stored(t, rules))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for range 20 {
			in := randomLabels(rng)
			b, keep := labels.NewBuilder(in), true
			for _, cfg := range want {
				keep = keep && relabel.ProcessBuilder(b, cfg)
				b.Del("") // what labelmap can make
			}
			out, by := got.Labels(in)
			switch {
			case keep != (by == 0) || keep && !labels.Equal(b.Labels(), out):
				t.Fatalf("seed %d: of %s Prometheus makes %s (%v), here it is %s (left out by %d):\n%s", seed, in, b.Labels(), keep, out, by, text)
			case !keep:
				leftOut++
			case !labels.Equal(in, out):
				changed++
			}
			checkSeriesForm(t, got, in, out, by)
		}
	}
	for what, n := range map[string]int{"lists taken": taken, "lists refused": refused, "series left out": leftOut, "series changed": changed} {
		if n < 100 {
			t.Errorf("%d %s: the test shows little", n, what)
		}
	}
}

// checkSeriesForm: a label set in Laminar's form becomes the same.
func checkSeriesForm(t *testing.T, r *Relabeler, in, want labels.Labels, by int) {
	t.Helper()
	var set []series.Label
	in.Range(func(l labels.Label) { set = append(set, series.Label{Name: l.Name, Value: l.Value}) })
	out, gotBy := r.Apply(set)
	b := labels.NewScratchBuilder(len(out))
	for _, l := range out {
		b.Add(l.Name, l.Value)
	}
	if gotBy != by || by == 0 && !labels.Equal(b.Labels(), want) {
		t.Fatalf("%s becomes %v (left out by %d), want %s (%d)", in, out, gotBy, want, by)
	}
}

// stored is rules as they come out of a catalogue.
func stored(t *testing.T, rules []Rule) []Rule {
	t.Helper()
	data, err := json.Marshal(rules)
	if err != nil {
		t.Fatal(err)
	}
	var again []Rule
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again, rules) {
		t.Fatalf("%v is stored as %s", rules, data)
	}
	return again
}

func document(t *testing.T, text string) *yaml.Node {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return &doc
}

// randomRule is an item of a list of rules: fields that suit the action, and now and then
// one too many or one too few.
func randomRule(rng *rand.Rand) string {
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	action := pick("replace", "replace", "keep", "drop", "keepequal", "dropequal", "hashmod", "labelmap", "labeldrop", "labelkeep", "lowercase", "Uppercase")
	if rng.IntN(40) == 0 {
		action = "dropp"
	}
	names := pick("[job]", "[job, instance]", "[a]", "[__name__]", "[]", "[job, a, nothing]")
	wants := map[string][]string{
		"replace": {"source_labels", "target_label", "regex", "replacement", "separator"}, "keep": {"source_labels", "regex"}, "drop": {"source_labels", "regex"},
		"keepequal": {"source_labels", "target_label"}, "dropequal": {"source_labels", "target_label"}, "hashmod": {"source_labels", "target_label", "modulus"},
		"labelmap": {"regex", "replacement"}, "labeldrop": {"regex"}, "labelkeep": {"regex"}, "lowercase": {"source_labels", "target_label"},
		"Uppercase": {"source_labels", "target_label"}, "dropp": {"regex"},
	}[action]
	if names == "[]" && strings.HasPrefix(action, "label") {
		names = "[job]" // the default, which Prometheus refuses of these
	}
	item := "- action: " + action + "\n"
	for _, field := range fields[:len(fields)-1] {
		suits := strings.Contains(" "+strings.Join(wants, " ")+" ", " "+field+" ")
		if suits && rng.IntN(25) == 0 || !suits && rng.IntN(60) != 0 {
			continue
		}
		value := names
		switch field {
		case "separator":
			value = pick("'-'", "''", "'::'")
		case "target_label":
			value = pick("job", "a", "new", "__name__", "'x-${1}'", "instance")
		case "regex":
			value = pick("'a.*'", "'(.)(.*)'", "'job|a|__name__'", "'[^b]+'", "''", "'x;(.*)'", "'(__name__|job)'", "'('")
			if value == "'('" && rng.IntN(4) > 0 {
				value = "'.+'"
			}
		case "modulus":
			value = pick("3", "16", "0")
		case "replacement":
			value = pick("'$2$1'", "''", "k", "'n_$1'", "'${1}'")
		}
		item += "  " + field + ": " + value + "\n"
	}
	return item
}

// randomLabels is a label set with a metric name.
func randomLabels(rng *rand.Rand) labels.Labels {
	b := labels.NewBuilder(labels.FromStrings("__name__", []string{"up", "a", "requests_total"}[rng.IntN(3)]))
	for _, name := range []string{"job", "instance", "a", "b", "ünï"} {
		if rng.IntN(3) > 0 {
			b.Set(name, []string{"a", "b", "abc", "x;y", "Ärger", "up", "7"}[rng.IntN(7)])
		}
	}
	return b.Labels()
}

// TestFaults: what is wrong is named with its line, the number of the rule and the field,
// everything at once.
func TestFaults(t *testing.T) {
	for text, want := range map[string][]string{
		"- action: dropp":     {"1: rule 1: action: \"dropp\" is none of replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase, uppercase"},
		"- regex: a":          {"1: rule 1: target_label: the action replace needs one"},
		"- {}\n- target: job": {"1: rule 1: target_label: the action replace needs one", "2: rule 2: target is none of source_labels, separator, target_label, regex, modulus, replacement, action"},
		"- target_label: a\n- action: drop\n  regex: (":        {"3: rule 2: regex: error parsing regexp: missing closing ): `^(?s:()$`"},
		"- action: hashmod\n  target_label: a":                 {"1: rule 1: modulus: the action hashmod needs one above 0"},
		"- action: labeldrop\n  regex: a\n  target_label: b\n": {"3: rule 1: target_label: the action labeldrop does not take it"},
		"- action: drop\n  source_labels: job":                 {"2: rule 1: source_labels: want a list of label names"},
		"- action: drop\n  source_labels: [job, '']":           {"2: rule 1: source_labels: the 2nd is not a label name: \"\""},
		"- target_label: a\n  replacement:":                    {"2: rule 1: replacement: has no value; write \"\" for an empty one"},
		"- target_label: a\n  target_label: b\n  modulus: -1":  {"2: rule 1: target_label: stands twice", "3: rule 1: modulus: \"-1\" is not a whole number of 64 bits"},
		"drop: job":                       {"1: want a list of rules, each with keys of source_labels, separator, target_label, regex, modulus, replacement, action"},
		"- drop":                          {"1: rule 1: want keys of source_labels, separator, target_label, regex, modulus, replacement, action"},
		"- target_label: a\n  regex: [a]": {"2: rule 1: regex: want one value"},
	} {
		rules, problems := Read(parsed(text))
		var got []string
		for _, p := range problems {
			got = append(got, fmt.Sprintf("%d: %s", p.Line, p.Text))
		}
		if rules != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\n got %q\nwant %q", text, got, want)
		}
	}
}

// parsed is the text's node; a key that stands twice is no fault of YAML's nodes.
func parsed(text string) *yaml.Node {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		panic(err)
	}
	return doc.Content[0]
}

// TestDefaultsAreOneForm: rules that mean the same by their defaults are stored alike.
func TestDefaultsAreOneForm(t *testing.T) {
	long, problems := Read(parsed("- {action: Replace, source_labels: [], separator: ';', regex: (.*), replacement: $1, target_label: a}"))
	short, more := Read(parsed("- target_label: a"))
	if len(problems)+len(more) > 0 || !reflect.DeepEqual(long, short) {
		t.Errorf("%v %v: %v and %v", problems, more, long, short)
	}
	if got, want := long[0].String(), `{action: replace, target_label: "a"}`; got != want {
		t.Errorf("written %s, want %s", got, want)
	}
}
