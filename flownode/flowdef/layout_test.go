package flowdef_test

import (
	"encoding/json"
	"slices"
	"testing"
	"testing/quick"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
)

func mustParse(t *testing.T, yaml string) flowdef.Flow {
	t.Helper()
	flows, problems := flowfile.Parse("f.yml", []byte(yaml))
	if len(problems) > 0 || len(flows) != 1 {
		t.Fatalf("%d flows, problems %v", len(flows), problems)
	}
	return flows[0]
}

func TestRow(t *testing.T) {
	rule := func(expr, static string) flowdef.Flow {
		return mustParse(t, "groups:\n- name: g\n  rules:\n  - record: r\n    expr: '"+expr+"'\n    labels: {"+static+"}\n")
	}
	for _, tc := range []struct {
		name string
		flow flowdef.Flow
		lset labels.Labels
		want []string
	}{
		{"a label that is missing", rule("sum by (code, job) (m)", ""), labels.FromStrings("job", "api"), []string{"", "api"}},
		{"no labels", rule("sum(m)", ""), labels.EmptyLabels(), []string{}},
		{"static labels win", rule("sum by (code, job) (m)", "job: all, zone: eu"), labels.FromStrings("code", "200", "job", "api"), []string{"200", "all", "eu"}},
		{"the flow's name takes the metric's place", rule("m", ""), labels.FromStrings("__name__", "m", "b", "2", "a", "1"), []string{`{"a":"1","b":"2"}`}},
		{"several metrics keep their names", rule(`{__name__=~"m|n"}`, ""), labels.FromStrings("__name__", "m", "a", "1"), []string{`{"__name__":"m","a":"1"}`}},
		{"static labels in the labels column", rule("m", "a: x"), labels.FromStrings("__name__", "m", "a", "1"), []string{`{"a":"x"}`}},
		{"an empty labels column", rule("m", ""), labels.FromStrings("__name__", "m"), []string{`{}`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := flowdef.NewLayout(tc.flow).Row(tc.lset); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestStatic(t *testing.T) {
	flow := mustParse(t, "groups:\n- name: g\n  rules:\n  - {record: r, expr: sum by (job) (m), labels: {value: v, a: '1'}}\n")
	names, values := flowdef.NewLayout(flow).Static()
	if !slices.Equal(names, []string{"a", "label_value"}) || !slices.Equal(values, []string{"1", "v"}) {
		t.Errorf("got %q = %q", names, values)
	}
	flow = mustParse(t, "groups:\n- name: g\n  rules:\n  - {record: r, expr: m, labels: {b: \"2\", a: '1'}}\n")
	if names, _ := flowdef.NewLayout(flow).Static(); len(names) != 0 {
		t.Errorf("one labels column, but static columns %q", names)
	}
	if got := flowdef.NewLayout(flow).StaticJSON(); got != `{"a":"1","b":"2"}` {
		t.Errorf("got %s", got)
	}
}

// TestGroupKey: keys are JSON, equal only for equal sets, and read back.
func TestGroupKey(t *testing.T) {
	if got := flowdef.GroupKey(labels.EmptyLabels()); got != "{}" {
		t.Errorf("empty set is %s", got)
	}
	if got := flowdef.GroupKeyLabels(""); !got.IsEmpty() {
		t.Errorf("all groups reads as %s", got)
	}
	property := func(m map[string]string) bool {
		delete(m, "")
		for name, value := range m {
			if value == "" { // an empty value is a missing label
				delete(m, name)
			}
		}
		lset := labels.FromMap(m)
		key := flowdef.GroupKey(lset)
		var back map[string]string
		if err := json.Unmarshal([]byte(key), &back); err != nil {
			t.Logf("%q: %v", key, err)
			return false
		}
		return labels.Equal(flowdef.GroupKeyLabels(key), lset) && flowdef.GroupKey(labels.FromMap(back)) == key
	}
	if err := quick.Check(property, nil); err != nil {
		t.Error(err)
	}
	for _, value := range []string{"\"", "\\", "\n", "\x01", "<&>", "\u2028", "ü", "日本"} {
		if !property(map[string]string{"a": value, value: "b"}) {
			t.Errorf("value %q", value)
		}
	}
}

func TestTableNamesDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{
		"a", "b:c", "x_a_very_long_name_that_goes_on_and_on_until_postgresql_would_cut_it_1",
		"x_a_very_long_name_that_goes_on_and_on_until_postgresql_would_cut_it_2",
	} {
		table := flowdef.TableName(name)
		if len(table) > 63 {
			t.Errorf("%s: table name %s is longer than 63 bytes", name, table)
		}
		if other, twice := seen[table]; twice {
			t.Errorf("%s and %s have the table %s", name, other, table)
		}
		seen[table] = name
	}
}
