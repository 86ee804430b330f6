package promeval_test

import (
	"context"
	"math"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/promeval"
)

// evalTimes is when the corpus is evaluated: on and off the minute, before,
// within and after the samples.
func evalTimes() []int64 {
	var out []int64
	for t := minute; t <= dataEnd+8*minute; t += 3 * minute {
		out = append(out, t)
	}
	return append(out, 17*minute+123, 42*minute+59_999)
}

// leafVectors evaluates each leaf's text over raw samples.
func leafVectors(e *promeval.Engine, c *flowdef.Compiled, samples promeval.Samples, t int64) ([]promeval.Vector, error) {
	out := make([]promeval.Vector, len(c.Leaves))
	for i := range c.Leaves {
		v, err := e.Whole(context.Background(), c.Leaves[i].Text, samples, t)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// TestCorpus holds the compiler to D1, D2 and D3 of package flowdef.
func TestCorpus(t *testing.T) {
	e := promeval.New()
	ctx := context.Background()
	fleets := []promeval.Samples{makeSamples(0), makeSamples(1)}
	for _, expr := range corpus(t) {
		t.Run(expr, func(t *testing.T) {
			c, _, err := flowdef.Compile(expr, minute)
			if err != nil {
				t.Fatal(err)
			}
			results := 0
			for seed, samples := range fleets {
				for _, at := range evalTimes() {
					want, wantErr := e.Whole(ctx, expr, samples, at)
					leaves, err := leafVectors(e, &c, samples, at)
					var got promeval.Vector
					if err == nil {
						got, err = e.Residual(ctx, c.Residual, leaves, at)
					}
					if (err == nil) != (wantErr == nil) {
						t.Fatalf("seed %d, t %d: error %v, whole expression %v", seed, at, err, wantErr)
					}
					if err != nil {
						continue
					}
					results += len(want)
					requireEqual(t, got, want)
					requireLabels(t, &c, got)
					requireByGroup(t, e, &c, leaves, got, at)
				}
			}
			if results == 0 {
				t.Error("no result at any time: the expression proves nothing")
			}
		})
	}
}

// requireEqual compares two vectors as sets. The same engine did the same
// arithmetic in the same order, so values are equal to the last bit; any NaN
// equals any other.
func requireEqual(t *testing.T, got, want promeval.Vector) {
	t.Helper()
	g, w := byLabels(t, got), byLabels(t, want)
	for key, value := range w {
		if have, ok := g[key]; !ok || !same(have, value) {
			t.Fatalf("%s: got %v (%v), want %v", key, have, ok, value)
		}
	}
	if len(g) != len(w) {
		t.Fatalf("got %d results, want %d", len(g), len(w))
	}
}

func byLabels(t *testing.T, v promeval.Vector) map[string]float64 {
	t.Helper()
	out := make(map[string]float64, len(v))
	for _, s := range v {
		key := s.Metric.String()
		if _, twice := out[key]; twice {
			t.Fatalf("%s is there twice", key)
		}
		out[key] = s.Value
	}
	return out
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

// requireLabels holds D2, and that two results never become the same row.
func requireLabels(t *testing.T, c *flowdef.Compiled, got promeval.Vector) {
	t.Helper()
	known := map[string]bool{}
	for _, name := range c.ResultLabels {
		known[name] = true
	}
	layout := flowdef.NewLayout(flowdef.Flow{Expr: *c})
	rows := map[string]labels.Labels{}
	for _, s := range got {
		s.Metric.Range(func(l labels.Label) {
			if c.LabelsKnown && !known[l.Name] {
				t.Fatalf("result %s has the label %s, which is not among %v", s.Metric, l.Name, c.ResultLabels)
			}
		})
		row := layout.Row(s.Metric)
		if len(row) != len(layout.Names) {
			t.Fatalf("row %q of %s has not the columns %q", row, s.Metric, layout.Names)
		}
		key := ""
		for _, v := range row {
			key += v + "\xff"
		}
		if other, twice := rows[key]; twice {
			t.Fatalf("results %s and %s become the same row", s.Metric, other)
		}
		rows[key] = s.Metric
	}
}

// requireByGroup holds D3.
func requireByGroup(t *testing.T, e *promeval.Engine, c *flowdef.Compiled, leaves []promeval.Vector, all promeval.Vector, at int64) {
	t.Helper()
	if !c.ByGroup {
		return
	}
	want := byLabels(t, all)
	if none := residual(t, e, c, promeval.Vector{}, at); len(none) != 0 {
		t.Fatalf("no group gives %v", none)
	}
	for _, group := range leaves[0] {
		got := residual(t, e, c, promeval.Vector{group}, at)
		if len(got) > 1 || len(got) == 1 && !labels.Equal(got[0].Metric, group.Metric) {
			t.Fatalf("group %s alone gives %v", group.Metric, got)
		}
		key := group.Metric.String()
		value, ok := want[key]
		if ok != (len(got) == 1) || ok && !same(got[0].Value, value) {
			t.Fatalf("group %s alone gives %v, together %v (%v)", group.Metric, got, value, ok)
		}
		delete(want, key)
	}
	if len(want) != 0 {
		t.Fatalf("results of no group: %v", want)
	}
}

func residual(t *testing.T, e *promeval.Engine, c *flowdef.Compiled, leaf promeval.Vector, at int64) promeval.Vector {
	t.Helper()
	out, err := e.Residual(context.Background(), c.Residual, []promeval.Vector{leaf}, at)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestLeafMembership checks Matches and GroupLabels against the engine: the
// label sets of a leaf's vector are among those of the groups its series fall
// into.
func TestLeafMembership(t *testing.T) {
	e := promeval.New()
	samples := makeSamples(7)
	for _, expr := range corpus(t) {
		c, _, err := flowdef.Compile(expr, minute)
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.Leaves {
			l := &c.Leaves[i]
			groups := map[string]bool{}
			for _, s := range samples {
				if l.Matches(s.Labels.Get) {
					groups[flowdef.GroupKey(l.GroupLabels(s.Labels))] = true
				}
			}
			found := map[string]bool{}
			for _, at := range evalTimes() {
				vec, err := e.Whole(context.Background(), l.Text, samples, at)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range vec {
					key := flowdef.GroupKey(s.Metric)
					if !groups[key] {
						t.Errorf("%s: group %s holds no series by GroupLabels", l.Text, key)
					}
					if back := flowdef.GroupKeyLabels(key); !labels.Equal(back, s.Metric) {
						t.Errorf("group key %s reads back as %s", key, back)
					}
					found[key] = true
				}
			}
			if len(found) != len(groups) {
				t.Errorf("%s: %d groups by GroupLabels, %d in the engine's results", l.Text, len(groups), len(found))
			}
		}
	}
}
