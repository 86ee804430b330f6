package keep

import "laminar/sequence"

// Sets of cells: a round notes the cells that late samples fall in.

// Touches is a set of cells, by pane and number; a number is a group's or a slot's,
// as its user decides. The zero value is empty. Numbers are bits, because a backlog
// can touch every group of many panes: a map of cells would take fifty times the
// memory and most of the round.
type Touches struct {
	ByPane map[int64][]uint64 // pane end -> bit set

	// The pane that was touched last and its bits: samples come pane by pane.
	end  int64
	bits []uint64
}

// Add puts number g of the pane with this end into the set.
func (s *Touches) Add(end sequence.Time, g int32) {
	if s.ByPane == nil {
		s.ByPane = map[int64][]uint64{}
		s.end = -1
	}
	if end != s.end || int(g)/64 >= len(s.bits) {
		s.end, s.bits = end, s.ByPane[end]
		for int(g)/64 >= len(s.bits) {
			s.bits = append(s.bits, 0)
		}
		s.ByPane[end] = s.bits
	}
	s.bits[g/64] |= 1 << (g % 64)
}

// Has reports whether number g of the pane is in the set.
func (s *Touches) Has(end sequence.Time, g int32) bool {
	bits := s.ByPane[end]
	return int(g)/64 < len(bits) && bits[g/64]&(1<<(g%64)) != 0
}

// Empty reports whether nothing is in the set.
func (s *Touches) Empty() bool { return len(s.ByPane) == 0 }

// Reset empties the set.
func (s *Touches) Reset() { *s = Touches{} }

// EachBit calls fn for every number in one pane's bit set, ascending.
func EachBit(bits []uint64, fn func(n int32)) {
	for i, word := range bits {
		for b := 0; word != 0; b++ {
			if word&1 != 0 {
				fn(int32(i*64 + b))
			}
			word >>= 1
		}
	}
}
