package remotewrite

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"laminar/sequence"
	"laminar/sequence/segment"
)

// TestCanonicalLabels: any order of a series' labels, with or without empty
// ones, gives the bytes that package segment defines, and reading them gives
// the labels back.
func TestCanonicalLabels(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	limits := Limits{Labels: 64, LabelBytes: 2000}
	for range 500 {
		var labels []segment.Label
		for i := range rng.IntN(8) {
			labels = append(labels, segment.Label{Name: fmt.Sprintf("l%c", 'a'+i), Value: strings.Repeat("ü", rng.IntN(3)+1)})
		}
		labels = append(labels, segment.Label{Name: segment.MetricName, Value: "m"})
		slices.SortFunc(labels, func(a, b segment.Label) int { return strings.Compare(a.Name, b.Name) })
		want := string(segment.CanonicalLabels(nil, labels))
		raw := rawLabelsOf(want)
		raw = append(raw, rawLabel{name: []byte("zero")})
		rng.Shuffle(len(raw), func(i, j int) { raw[i], raw[j] = raw[j], raw[i] })
		got, metric, refused := canonicalize(nil, raw, limits)
		if refused != "" || string(got) != want || string(metric) != "m" {
			t.Fatalf("%v: %q %q %q, want %q", labels, got, metric, refused, want)
		}
		if back := labelsOf(want); !slices.Equal(back, labels) {
			t.Fatalf("read back %v, want %v", back, labels)
		}
	}
}

// TestRegionOfIsFixed pins the hash: it decides for ever where a series lives.
func TestRegionOfIsFixed(t *testing.T) {
	canonical := segment.CanonicalLabels(nil, []segment.Label{{Name: "__name__", Value: "up"}, {Name: "job", Value: "a"}})
	for _, row := range []struct {
		regions int
		want    sequence.Region
	}{{1, 1}, {2, 2}, {16, 16}, {1024, 336}} {
		if got := RegionOf(canonical, row.regions); got != row.want {
			t.Errorf("of %d regions: %d, want %d", row.regions, got, row.want)
		}
	}
	seen := make(map[sequence.Region]int)
	for i := range 1000 {
		seen[RegionOf([]byte(fmt.Sprint(i)), 4)]++
	}
	for r := sequence.Region(1); r <= 4; r++ {
		if seen[r] < 200 {
			t.Errorf("region %d gets %d of 1,000 series", r, seen[r])
		}
	}
}

// TestSpellings: a series has few remembered spellings, however many are used,
// and all lead to one object.
func TestSpellings(t *testing.T) {
	g := newRegistry(2, Limits{Labels: 64, LabelBytes: 2000})
	var first *series
	for i := range 100 {
		s, refused := g.spelled(fmt.Sprint(i), modelLabels[0])
		if refused != "" || first != nil && s != first {
			t.Fatalf("spelling %d leads elsewhere (%s)", i, refused)
		}
		first = s
	}
	known := 0
	for i := range 100 {
		if g.known(fmt.Sprint(i), modelLabels[0]) == first {
			known++
		}
	}
	if known != maxSpellings {
		t.Errorf("%d spellings are remembered, want %d", known, maxSpellings)
	}
}

// TestRegistryConcurrently looks series up while others are created and
// forgotten.
func TestRegistryConcurrently(t *testing.T) {
	g := newRegistry(1, Limits{Labels: 64, LabelBytes: 2000})
	look := func(i int) *series {
		labels := []rawLabel{{[]byte("i"), fmt.Append(nil, i)}, {[]byte("__name__"), []byte("m")}}
		if s := g.known("", labels); s != nil {
			return s
		}
		s, _ := g.spelled("", labels)
		return s
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range 5000 {
				want := string(segment.CanonicalLabels(nil, []segment.Label{{Name: "__name__", Value: "m"}, {Name: "i", Value: fmt.Sprint(i)}}))
				if got := string(look(i).canonical()); got != want {
					t.Errorf("series %d is %q", i, got)
					return
				}
			}
		})
	}
	group.Go(func() {
		for range 20 {
			var dead []*series
			for i, s := range g.takeFresh(1) {
				if i%2 == 0 {
					dead = append(dead, s)
				}
			}
			g.forget(1, dead)
		}
	})
	group.Wait()
}
