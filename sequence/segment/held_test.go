package segment

import (
	"math/rand/v2"
	"slices"
	"testing"

	"laminar/sequence"
)

// TestHeld: the list of a packed segment's series is the series of its samples, each
// once, and no byte of it can change unnoticed.
func TestHeld(t *testing.T) {
	var p Packer
	var u Unpacker
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		seg := randomSealed(rnd, rnd.IntN(len(kinds)+1)-1, 1+rnd.IntN(300), 1+rnd.IntN(1<<rnd.IntN(8)))
		if _, err := p.Append(nil, &seg); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		held := p.AppendHeld([]byte("x"))[1:]
		var got []sequence.SeriesID
		if err := u.Held(held, func(id sequence.SeriesID) { got = append(got, id) }); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if want := slices.Compact(slices.Clone(seg.Series)); !slices.Equal(got, want) {
			t.Fatalf("seed %d: %d series are listed, want %d", seed, len(got), len(want))
		}
		at := rnd.IntN(len(held))
		held[at] ^= 1 << rnd.IntN(8)
		if err := u.Held(held, func(sequence.SeriesID) { t.Fatalf("seed %d: a damaged list is read", seed) }); err == nil {
			t.Fatalf("seed %d: byte %d was changed unnoticed", seed, at)
		}
		if err := u.Held(held[:at], func(sequence.SeriesID) { t.Fatalf("seed %d: a cut list is read", seed) }); err == nil {
			t.Fatalf("seed %d: cut at byte %d unnoticed", seed, at)
		}
	}
}
