package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/value"
	"math"
)

// key is a label set as text.
func key(lset []Label) string {
	var b strings.Builder
	for _, l := range lset {
		fmt.Fprintf(&b, "%s=%q,", l.Name, l.Value)
	}
	return b.String()
}

// TestCluster: no two series have the same labels, labels are sorted, each living
// series has one sample per scrape, in order of time; series of replaced pods end with
// one stale marker; buckets ascend.
func TestCluster(t *testing.T) {
	opts := DefaultClusterOptions()
	opts.Nodes, opts.Pods, opts.Replaced = 3, 40, 0.2
	c := NewCluster(opts)
	last := map[int]int64{}
	ended := map[int]bool{}
	buckets := map[string]float64{}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 20 {
		at = at.Add(opts.Interval)
		seen := map[int]bool{}
		clear(buckets)
		for _, p := range c.Scrape(nil, at) {
			switch {
			case seen[p.Series] || ended[p.Series]:
				t.Fatalf("%s has a sample too many", key(c.Series()[p.Series]))
			case p.T <= last[p.Series] || p.T > at.UnixMilli() || p.T <= at.Add(-opts.Interval).UnixMilli():
				t.Fatalf("%s: %d after %d, in the scrape of %d", key(c.Series()[p.Series]), p.T, last[p.Series], at.UnixMilli())
			}
			seen[p.Series], last[p.Series] = true, p.T
			if math.Float64bits(p.V) == value.StaleNaN {
				ended[p.Series] = true
				continue
			}
			// Buckets of one histogram follow each other, the smallest first.
			lset := slices.DeleteFunc(slices.Clone(c.Series()[p.Series]), func(l Label) bool { return l.Name == "le" })
			if len(lset) == len(c.Series()[p.Series]) {
				continue
			}
			if before, ok := buckets[key(lset)]; ok && p.V < before {
				t.Fatalf("%s: %v after %v", key(c.Series()[p.Series]), p.V, before)
			}
			buckets[key(lset)] = p.V
		}
		if len(seen) < len(c.Series())-len(ended) {
			t.Fatalf("%d of %d living series have a sample", len(seen), len(c.Series())-len(ended))
		}
	}
	if len(ended) == 0 {
		t.Error("no pod was replaced")
	}
	names := map[string]bool{}
	for _, lset := range c.Series() {
		if !slices.IsSortedFunc(lset, func(a, b Label) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("%s is not sorted", key(lset))
		}
		if names[key(lset)] {
			t.Errorf("%s is there twice", key(lset))
		}
		names[key(lset)] = true
	}
}

// TestClusterSize: the size that is compared with Prometheus has about 400,000 series.
func TestClusterSize(t *testing.T) {
	opts := DefaultClusterOptions()
	if n := len(NewCluster(opts).Series()); n < 30_000 || n > 60_000 {
		t.Errorf("the default has %d series", n)
	}
	opts.Nodes, opts.Pods = 100, 3000
	if n := len(NewCluster(opts).Series()); n < 350_000 || n > 450_000 {
		t.Errorf("100 nodes and 3,000 pods have %d series", n)
	}
}

// TestClusterIsRepeatable: one seed gives the same points.
func TestClusterIsRepeatable(t *testing.T) {
	opts := DefaultClusterOptions()
	opts.Nodes, opts.Pods, opts.Replaced = 2, 20, 0.1
	a, b := NewCluster(opts), NewCluster(opts)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 5 {
		at = at.Add(opts.Interval)
		same := func(x, y Point) bool {
			return x.Series == y.Series && x.T == y.T && math.Float64bits(x.V) == math.Float64bits(y.V)
		}
		if !slices.EqualFunc(a.Scrape(nil, at), b.Scrape(nil, at), same) {
			t.Fatal("two clusters of one seed differ")
		}
	}
}
