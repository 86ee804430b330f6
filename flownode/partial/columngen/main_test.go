package main

import (
	"bytes"
	"os"
	"slices"
	"testing"
)

// TestLoopsAreOfToday: the loops in the tree are those that would be written
// now, for every kind there is.
func TestLoopsAreOfToday(t *testing.T) {
	kinds, err := kindsIn("..")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(kinds, "Counter") || slices.Contains(kinds, "Aggregator") {
		t.Fatalf("kinds are %q: Counter is one and Aggregator is none", kinds)
	}
	want, err := source(kinds)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../columns_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("columns_gen.go is not what columngen writes: run `go generate ./flownode/partial`")
	}
}
