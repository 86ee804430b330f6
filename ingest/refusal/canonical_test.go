package refusal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"laminar/sequence/series"
)

// TestCanonicalLabels: any order of a series' labels, with or without empty
// ones, gives the bytes that package series defines, and reading them gives
// the labels back.
func TestCanonicalLabels(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	limits := Limits{Labels: 64, LabelBytes: 2000}
	for range 500 {
		var labels []series.Label
		for i := range rng.IntN(8) {
			labels = append(labels, series.Label{Name: fmt.Sprintf("l%c", 'a'+i), Value: strings.Repeat("ü", rng.IntN(3)+1)})
		}
		labels = append(labels, series.Label{Name: series.MetricName, Value: "m"})
		slices.SortFunc(labels, func(a, b series.Label) int { return strings.Compare(a.Name, b.Name) })
		want := string(series.CanonicalLabels(nil, labels))
		var raw []series.RawLabel
		for _, l := range labels {
			raw = append(raw, series.RawLabel{Name: []byte(l.Name), Value: []byte(l.Value)})
		}
		raw = append(raw, series.RawLabel{Name: []byte("zero")})
		rng.Shuffle(len(raw), func(i, j int) { raw[i], raw[j] = raw[j], raw[i] })
		got, metric, refused := Canonical(nil, raw, limits)
		if refused != "" || string(got) != want || string(metric) != "m" {
			t.Fatalf("%v: %q %q %q, want %q", labels, got, metric, refused, want)
		}
		if back := series.ParseCanonical(want); !slices.Equal(back, labels) {
			t.Fatalf("read back %v, want %v", back, labels)
		}
	}
}
