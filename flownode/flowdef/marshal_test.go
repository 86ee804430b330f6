package flowdef_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"laminar/flownode/defjson"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
)

// corpusFlows makes a flow of every expression of testdata/promql.
func corpusFlows(t *testing.T) []flowdef.Flow {
	t.Helper()
	data, err := os.ReadFile("../../testdata/promql/corpus.txt")
	if err != nil {
		t.Fatal(err)
	}
	var flows []flowdef.Flow
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		text, err := json.Marshal(line) // a JSON string is a YAML one
		if err != nil {
			t.Fatal(err)
		}
		got, problems := flowfile.Parse("corpus.yml", []byte("flows:\n- {name: f, every: 1m, promql: "+string(text)+"}\n"))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		flows = append(flows, got...)
	}
	return flows
}

// sampleFlows is the flows of testdata/flows. Each file stands for itself: they
// are not applied together.
func sampleFlows(t *testing.T) []flowdef.Flow {
	t.Helper()
	files, err := filepath.Glob("../../testdata/flows/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sample definitions: %v", err)
	}
	var flows []flowdef.Flow
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all, problems := flowfile.Read([]flowfile.Source{{File: file, Data: data}})
		for _, p := range problems {
			t.Error(p)
		}
		flows = append(flows, all.Flows...)
	}
	if len(flows) < 12 {
		t.Errorf("samples have %d flows, want at least 12", len(flows))
	}
	return flows
}

// TestMarshalRoundTrip: a flow that comes back from the catalogue is the flow
// that went in, file and line aside, whatever the catalogue did to key order
// and white space.
func TestMarshalRoundTrip(t *testing.T) {
	for i, f := range append(corpusFlows(t), sampleFlows(t)...) {
		f.Executor = append(flowdef.Executors(), "")[i%4]
		data, err := defjson.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		back, err := defjson.Unmarshal(reorder(t, data))
		if err != nil {
			t.Fatalf("%s: %v", f.PromQL, err)
		}
		again, err := defjson.Marshal(back)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(data, again) {
			t.Errorf("%s: %s became %s", f.PromQL, data, again)
		}
		if a, b := mustHash(t, f), mustHash(t, back); a != b {
			t.Errorf("%s: hash changed", f.PromQL)
		}
		if a, b := compiledText(&f), compiledText(&back); a != b {
			t.Errorf("%s: compiled\n%s\nbecame\n%s", f.PromQL, a, b)
		}
		f.File, f.Line, f.Lines, f.Rule, f.Expr, back.Expr = "", 0, nil, false, flowdef.Compiled{}, flowdef.Compiled{}
		if !reflect.DeepEqual(f, back) {
			t.Errorf("%+v became %+v", f, back)
		}
	}
}

// TestMarshalPrevious: what a flow sees only as the evaluation before left it, it sees so
// after it was loaded, too.
func TestMarshalPrevious(t *testing.T) {
	flows, problems := flowfile.Parse("g.yml", []byte(`
groups:
- name: g
  rules:
  - {record: total, expr: sum(x) + (total or vector(0))}
  - {record: early, expr: 'max_over_time(sum(late)[5m:1m])'}
  - {record: late, expr: sum by (job) (x)}
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for i, want := range []string{"it reads its own results", "it reads a rule that stands after it in its group; the expression inside a subquery has no state of its own", ""} {
		data, err := defjson.Marshal(flows[i])
		if err != nil {
			t.Fatal(err)
		}
		back, err := defjson.Unmarshal(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []flowdef.Flow{flows[i], back} {
			if f.Expr.Why != want || f.Expr.Batch != (want != "") || f.Itself != (i == 0) {
				t.Errorf("%s is in batch %v: %q, want %q", f.Name, f.Expr.Batch, f.Expr.Why, want)
			}
		}
	}
}

func compiledText(f *flowdef.Flow) string { return printCompiled(&f.Expr, f.Every) }

// reorder spells a JSON object with other white space and key order, as jsonb
// does.
func reorder(t *testing.T, data []byte) []byte {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	out, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func mustHash(t *testing.T, f flowdef.Flow) [32]byte {
	t.Helper()
	h, err := defjson.Hash(f)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestHash: what is the same definition has the same hash, and nothing else.
func TestHash(t *testing.T) {
	base := "flows:\n- name: a\n  promql: sum by (job) (rate(x[5m]))\n  every: 1m\n"
	hash := func(file, text string) [32]byte {
		flows, problems := flowfile.Parse(file, []byte(text))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return mustHash(t, flows[0])
	}
	want := hash("f.yml", base)
	same := map[string]string{
		"other file":   base,
		"close":        base + "  emit: close\n",
		"other layout": "# comment\nflows:\n- every: 60s\n  name: a\n  emit: update\n  promql: |\n    sum by (job) (\n      rate(x[5m]) # why\n    )\n",
	}
	for _, e := range flowdef.Executors() {
		same["executor "+string(e)] = base + "  executor: " + string(e) + "\n"
	}
	for name, text := range same {
		if hash("other.yml", text) != want {
			t.Errorf("%s: another hash", name)
		}
	}
	seen := map[[32]byte]string{want: "base"}
	for _, change := range [][2]string{
		{"name: a", "name: b"}, {"(job)", "(job, code)"}, {"[5m]", "[10m]"}, {"every: 1m", "every: 5m"},
		{"every: 1m", "every: 1m\n  table: t"}, {"every: 1m", "every: 1m\n  trigger: {samples: 5}"},
		{"every: 1m", "every: 1m\n  watermark_delay: 5s"},
		{"every: 1m", "every: 1m\n  backfill: all"}, {"every: 1m", "every: 1m\n  backfill: 1h"},
		{"every: 1m", "every: 1m\n  keep: 1h"}, {"every: 1m", "every: 1m\n  lookback: 1m"},
		{"every: 1m", "every: 1m\n  limit: 7"},
	} {
		h := hash("f.yml", strings.Replace(base, change[0], change[1], 1))
		if other, twice := seen[h]; twice {
			t.Errorf("%q has the hash of %q", change[1], other)
		}
		seen[h] = change[1]
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	good := `{"name":"a","promql":"sum(x)","every":1000,"table":"a","trigger":{"interval":1000},"watermark_delay":0,"emit":"update","late":"recompute"}`
	if _, err := defjson.Unmarshal([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"not JSON":         "flows:",
		"a newer key":      strings.Replace(good, `"name"`, `"of_tomorrow":5,"name"`, 1),
		"no name":          strings.Replace(good, `"a"`, `""`, 1),
		"no step":          strings.Replace(good, "1000", "0", 1),
		"a negative limit": strings.Replace(good, `"name"`, `"limit":-1,"name"`, 1),
		"no trigger":       strings.Replace(good, `{"interval":1000}`, `{}`, 1),
		"bad expression":   strings.Replace(good, "sum(x)", "x @ -1", 1),
		"two values":       good + good,
		"something behind": good + "x",
	} {
		if _, err := defjson.Unmarshal([]byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestNormalSpelling: the spelling that is stored compiles to the same, and is
// its own spelling.
func TestNormalSpelling(t *testing.T) {
	for _, f := range corpusFlows(t) {
		again, err := f.Define(f.PromQL)
		if err != nil {
			t.Fatal(err)
		}
		if again.PromQL != f.PromQL {
			t.Errorf("%s is spelled %s", f.PromQL, again.PromQL)
		}
		if a, b := compiledText(&f), compiledText(&again); a != b {
			t.Errorf("%s: compiled\n%s\nthen\n%s", f.PromQL, a, b)
		}
	}
}

// TestCheckRaw: what is refused at apply is what could not be computed at all,
// or only for want of samples that are going.
func TestCheckRaw(t *testing.T) {
	const minute, day = int64(60_000), int64(86_400_000)
	for _, tc := range []struct {
		promql                   string
		every                    string
		retention, earliest, now int64
		want                     string
	}{
		{promql: "sum(rate(x[1h] offset 30m))", retention: 90 * minute},
		{promql: "sum(rate(x[1h] offset 30m))", retention: 90*minute - 1,
			want: "its windows reach back 1h30m (range and offset), but raw samples are kept for 1h29m59s999ms only"},
		{promql: "x offset -1w", retention: 5 * minute},
		{promql: "x - x offset -1h", retention: 65 * minute},
		{promql: "x - x offset -1h", retention: 65*minute - 1,
			want: "its windows reach back 5m and ahead 1h (range and offsets), but raw samples are kept for 1h4m59s999ms only"},
		{promql: "x - x @ 86400", retention: day, now: 2*day - 5*minute + 1},
		{promql: "x - x @ 86400", retention: day, now: 2*day - 5*minute + 2,
			want: "with @ it reads samples from 1970-01-01T23:55:00.001Z on, but raw samples are kept for 1d only"},
		{promql: "x - x @ 86400", retention: 10 * day, now: 2 * day, earliest: day - 5*minute + 1},
		{promql: "x - x @ 86400", retention: 10 * day, now: 2 * day, earliest: day - 5*minute + 2,
			want: "with @ it reads samples from 1970-01-01T23:55:00.001Z on, but raw samples are kept for 10d only"},
		{promql: "x - x @ 86400", every: "10s", retention: 20 * day},
		{promql: "x - x @ 86400", every: "5s", retention: 20 * day,
			want: "a late sample at a fixed time would change 345600 windows, more than 200000: choose a larger `every`"},
	} {
		if tc.every == "" {
			tc.every = "1m"
		}
		f := mustParse(t, "flows:\n- {name: a, every: "+tc.every+", promql: '"+tc.promql+"'}\n")
		if tc.want != "" {
			tc.want = "f.yml:2: flow a: " + tc.want
		}
		got := ""
		if p := flowdef.CheckRaw(f, tc.retention, tc.earliest, tc.now); p != nil {
			got = p.String()
		}
		if got != tc.want {
			t.Errorf("%+v\ngot  %q\nwant %q", tc, got, tc.want)
		}
	}
}
