package series

import (
	"fmt"
	"testing"

	"laminar/sequence"
)

// TestRegionOfIsFixed pins the hash: stored series stay where it put them.
func TestRegionOfIsFixed(t *testing.T) {
	canonical := CanonicalLabels(nil, []Label{{Name: "__name__", Value: "up"}, {Name: "job", Value: "a"}})
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
