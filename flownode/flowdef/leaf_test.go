package flowdef

import (
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/function"
)

func mustCompile(t *testing.T, expr string, every int64) Compiled {
	t.Helper()
	c, _, err := Compile(expr, every)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestGroupLabels(t *testing.T) {
	series := labels.FromStrings("__name__", "m", "__type__", "gauge", "__unit__", "s", "job", "api", "le", "1")
	for expr, want := range map[string]labels.Labels{
		"m":                               series,
		"last_over_time(m[5m])":           series,
		"rate(m[5m])":                     labels.FromStrings("job", "api", "le", "1"),
		"sum(m)":                          labels.EmptyLabels(),
		"sum by () (m)":                   labels.EmptyLabels(),
		"sum by (job, missing) (m)":       labels.FromStrings("job", "api"),
		"sum by (__name__) (m)":           labels.FromStrings("__name__", "m"),
		"sum by (__name__) (rate(m[1m]))": labels.EmptyLabels(),
		"sum without (le) (m)":            labels.FromStrings("__type__", "gauge", "__unit__", "s", "job", "api"),
		"sum without (le) (rate(m[1m]))":  labels.FromStrings("job", "api"),
		"sum without () (m)":              labels.FromStrings("__type__", "gauge", "__unit__", "s", "job", "api", "le", "1"),
	} {
		c := mustCompile(t, expr, 60_000)
		if got := c.Leaves[0].GroupLabels(series); !labels.Equal(got, want) {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
		// The labels that decide are enough to find the group.
		if names := c.Leaves[0].Labels(); names != nil {
			few := labels.NewBuilder(series).Keep(names...).Labels()
			if got := c.Leaves[0].GroupLabels(few); !labels.Equal(got, want) || few.Len() == series.Len() {
				t.Errorf("%s: of %s alone the group is %s, want %s", expr, few, got, want)
			}
		} else if c.Leaves[0].Agg != nil && !c.Leaves[0].Without {
			t.Errorf("%s depends on all labels", expr)
		}
	}
}

func TestMatchesAndNames(t *testing.T) {
	for _, tc := range []struct {
		expr  string
		names []string
		yes   []labels.Labels
		no    []labels.Labels
	}{
		{
			`m{a="1",b!="2",c=~"x|y",d!~"z.*"}`, []string{"m"},
			[]labels.Labels{labels.FromStrings("__name__", "m", "a", "1", "c", "x")},
			[]labels.Labels{
				labels.FromStrings("__name__", "n", "a", "1", "c", "x"),
				labels.FromStrings("__name__", "m", "a", "1"),
				labels.FromStrings("__name__", "m", "a", "1", "c", "x", "b", "2"),
				labels.FromStrings("__name__", "m", "a", "1", "c", "xy"),
				labels.FromStrings("__name__", "m", "a", "1", "c", "x", "d", "zz"),
			},
		},
		{
			`sum by (e) (m{a="1",d!~"z.*"})`, []string{"m"},
			[]labels.Labels{labels.FromStrings("__name__", "m", "a", "1", "x", "1")},
			[]labels.Labels{labels.FromStrings("__name__", "m", "a", "2"), labels.FromStrings("__name__", "m", "a", "1", "d", "zz", "x", "1")},
		},
		{`{__name__=~"b|a|b"}`, []string{"a", "b"}, []labels.Labels{labels.FromStrings("__name__", "a")}, []labels.Labels{labels.FromStrings("__name__", "ab")}},
		{`{__name__=~"a.*"}`, nil, []labels.Labels{labels.FromStrings("__name__", "ab")}, []labels.Labels{labels.FromStrings("__name__", "b")}},
		{`{a!=""}`, nil, []labels.Labels{labels.FromStrings("a", "1")}, []labels.Labels{labels.FromStrings("__name__", "b")}},
	} {
		c := mustCompile(t, tc.expr, 60_000)
		l := &c.Leaves[0]
		if got := l.Names(); !slices.Equal(got, tc.names) {
			t.Errorf("%s: names %q, want %q", tc.expr, got, tc.names)
		}
		for _, lset := range tc.yes {
			if !l.Matches(lset.Get) {
				t.Errorf("%s does not select %s", tc.expr, lset)
			}
		}
		for _, lset := range tc.no {
			if l.Matches(lset.Get) {
				t.Errorf("%s selects %s", tc.expr, lset)
			}
		}
	}
}

func TestWindowStart(t *testing.T) {
	const minute = int64(60_000)
	for _, tc := range []struct {
		expr string
		want int64
	}{
		{"rate(m[5m])", 95 * minute},
		{"rate(m[5m] offset 3m)", 92 * minute},
		{"m", 99 * minute},
		{"m offset 5m", 94 * minute},
		{"m + rate(m[2m])", 98 * minute},
		{"rate(m[2m] offset 10m) + rate(m[5m])", 88 * minute},
		{"rate(m[5m] offset -2m)", 97 * minute},
		{"rate(m[5m] offset -5m)", 99 * minute},
		{"m offset -1h", 99 * minute},
		{"m offset -1h - m offset 1h", 39 * minute},
		{"m + rate(m[2m] @ 1000 offset 1h)", 99 * minute},
	} {
		f := Flow{Every: minute, Expr: mustCompile(t, tc.expr, minute)}
		if got := f.WindowStart(100 * minute); got != tc.want {
			t.Errorf("%s: window that ends at 100m starts at %s, want %s", tc.expr, FormatMillis(got), FormatMillis(tc.want))
		}
	}
}

// TestPanes holds what panes are for: every border of every window is a border
// between panes, and no wider pane has that.
func TestPanes(t *testing.T) {
	for _, tc := range []struct{ rng, step, offset int64 }{
		{300_000, 60_000, 0}, {300_000, 45_000, 0}, {7_000, 60_000, 0}, {60_000, 60_000, 1},
		{60_000, 300_000, 0}, {86_400_000, 1_000, 500}, {1, 1, 0},
	} {
		c := Compiled{Leaves: []Leaf{{Func: function.Named("rate"), Range: tc.rng, Offset: tc.offset}}}
		step, err := c.cut(tc.step)
		if err != nil || step != tc.step {
			t.Fatal(step, err)
		}
		l := c.Leaves[0]
		// What the offset has below a second is the phase.
		aligned := func(p int64) bool { return tc.rng%p == 0 && tc.step%p == 0 && (tc.offset-tc.offset%1000)%p == 0 }
		if !aligned(l.Pane) || (tc.offset+l.Phase)%l.Pane != 0 || l.Phase < 0 || l.Phase >= l.Pane || l.Panes*l.Pane != tc.rng || l.Batch != (l.Panes > PanesKept(l.Pane)) {
			t.Errorf("%+v: pane %d panes %d batch %v", tc, l.Pane, l.Panes, l.Batch)
		}
		for p := l.Pane + 1; p <= min(tc.rng, l.Pane*100); p++ {
			if aligned(p) {
				t.Errorf("%+v: pane is %d, but %d does too", tc, l.Pane, p)
				break
			}
		}
	}
}
