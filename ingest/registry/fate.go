package registry

import "laminar/ingest/replica"

// Fate is what is to be known of a spelling before its samples are stored: 0 for
// nothing, which is the usual case, or the pair that it names, or the rule of relabelling
// that leaves its series out. It is one number, because millions of spellings have it and
// every sample looks at it.
type Fate uint32

// outside is set in the fate of a spelling whose series is left out. Pairs are few
// (replica.MaxPairs), so no pair has so high a number.
const outside = Fate(1 << 31)

func ofPair(pair replica.PairID) Fate { return Fate(pair) }

func leftOut(by int) Fate { return outside | Fate(by) }

// Pair is which sender writes a series this way, 0 where it names no replica.
func (f Fate) Pair() replica.PairID {
	if f&outside != 0 {
		return 0
	}
	return replica.PairID(f)
}

// LeftOutBy is the number, from 1, of the rule of relabelling that leaves the series out;
// 0 where it is stored.
func (f Fate) LeftOutBy() int {
	if f&outside == 0 {
		return 0
	}
	return int(f &^ outside)
}
