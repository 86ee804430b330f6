package series

import (
	"github.com/cespare/xxhash/v2"

	"laminar/sequence"
)

// RegionOf is the region a series lives in from its creation on: xxhash64 with
// seed 0 of its canonical labels (CanonicalLabels), modulo the number of regions
// of the installation, plus 1. regions must be positive.
func RegionOf(canonical []byte, regions int) sequence.Region {
	return sequence.Region(xxhash.Sum64(canonical)%uint64(regions)) + 1
}
