package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestLoopsAreOfToday: the loops in the tree are those that would be written
// now, for every kind there is.
func TestLoopsAreOfToday(t *testing.T) {
	kinds, err := kindsIn("..")
	if err != nil {
		t.Fatal(err)
	}
	named := func(name string) bool {
		return slices.ContainsFunc(kinds, func(k kind) bool { return k.name == name })
	}
	if !named("Counter") || named("Aggregator") {
		t.Fatalf("kinds are %v: Counter is one and Aggregator is none", kinds)
	}
	want, err := source("partial", kinds)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../kinds_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("kinds_gen.go is not what columngen writes: run `go generate ./flownode/partial`")
	}
}

// TestKindThatHoldsMemory: a kind with Held and CloneFrom gets loops of them.
func TestKindThatHoldsMemory(t *testing.T) {
	dir := t.TempDir()
	const file = `package p

type Set struct{ values []float64 }

func (s *Set) Add(t int64, v float64) {}
func (s *Set) Merge(later *Set)       {}
func (s *Set) Empty() bool            { return len(s.values) == 0 }
func (s *Set) Held() int64            { return int64(8 * cap(s.values)) }
func (s *Set) CloneFrom(p *Set)       {}
`
	if err := os.WriteFile(filepath.Join(dir, "set.go"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	kinds, err := kindsIn(dir)
	if err != nil || !slices.Equal(kinds, []kind{{name: "Set", holds: true}}) {
		t.Fatalf("kinds are %v, %v, want Set, which holds memory", kinds, err)
	}
	text, err := source("p", kinds)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"newKind(setTraits, ", "n += cells[i].Held()", "into[i].CloneFrom(&from[i])"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
