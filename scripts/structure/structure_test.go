package main

import (
	"strings"
	"testing"
)

// TestRun measures the module in testdata/house, under limits that fit its
// size: one package keeps them, one has a circle of files, one types with too
// many methods and too many lines.
func TestRun(t *testing.T) {
	var out strings.Builder
	most := limits{lines: 20, methods: 3, percent: 5, exempt: map[string]bool{"wide.Door": true}}
	broken, err := run(&out, "testdata/house", nil, most, true)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
package  files  lines  comments  most methods  references back
flat     3      16     6 %       second 2      2/5 = 40.0 %
tower    3      24     33 %      Base 2        0/3 = 0.0 %
wide     2      20     20 %      Door 4        0/0 = 0.0 %

flat: c.go b.go a.go
  b.go -> c.go: third value
  a.go -> b.go: second
over the limit: flat: 2 of 5 references between files run back, the limit is 5 % (-v names them)
over the limit: tower has 24 lines, the limit is 20
over the limit: wide.Wide has 4 methods, the limit is 3
`, "\n")
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if broken != 3 {
		t.Errorf("%d limits are broken, want 3", broken)
	}
}

// TestOneReferenceBack holds that a single reference back breaks no limit.
func TestOneReferenceBack(t *testing.T) {
	m := measure{name: "pair", references: 2, back: []reference{{from: "b.go", to: "a.go"}}}
	if faults := m.faults(house); len(faults) > 0 {
		t.Errorf("faults %q, want none", faults)
	}
}
