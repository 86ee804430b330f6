package lapsed

import "laminar/sequence"

// idPage is how many ids one page of an idSet covers: 8 KiB of bits.
const idPage = 1 << 16

// idSet is a set of series ids. They are dense but for stretches that have been removed,
// so it takes about a bit for each id there is.
type idSet struct{ pages []*[idPage / 64]uint64 }

func (s *idSet) add(id sequence.SeriesID) {
	p := int(id) / idPage
	for p >= len(s.pages) {
		s.pages = append(s.pages, nil)
	}
	if s.pages[p] == nil {
		s.pages[p] = new([idPage / 64]uint64)
	}
	s.pages[p][id%idPage/64] |= 1 << (id % 64)
}

func (s *idSet) has(id sequence.SeriesID) bool {
	p := int(id) / idPage
	return p < len(s.pages) && s.pages[p] != nil && s.pages[p][id%idPage/64]&(1<<(id%64)) != 0
}
