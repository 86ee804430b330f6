package bitpack

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// random makes integers whose offsets have about the width.
func random(rnd *rand.Rand, n, width int, base int64) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = base
		if width > 0 {
			out[i] += int64(rnd.Uint64() >> (64 - width))
		}
		if rnd.IntN(200) == 0 {
			out[i] = int64(rnd.Uint64())
		}
	}
	return out
}

// TestRoundTrip: what was appended is decoded, whatever stood before it and for
// all widths, lengths and extremes.
func TestRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	cases := [][]int64{
		nil, {0}, {-1}, {math.MinInt64}, {math.MaxInt64}, {math.MinInt64, math.MaxInt64}, {math.MinInt64, -1}, {0, math.MaxInt64}, {-1, math.MaxInt64},
	}
	for width := range 65 {
		for _, n := range []int{1, 2, 63, 64, 65, 128, 200} {
			up, down := anySize(rnd), anySize(rnd)
			cases = append(cases, random(rnd, n, width, up-down))
		}
	}
	var enc Encoder
	for i, vals := range cases {
		before := []byte("before")[:rnd.IntN(7)]
		out := enc.Append(slices.Clone(before), vals)
		if !bytes.Equal(out[:len(before)], before) {
			t.Fatalf("case %d: what stood before was changed", i)
		}
		got := make([]int64, len(vals))
		if err := Decode(got, out[len(before):]); err != nil {
			t.Fatalf("case %d, %v: %v", i, vals, err)
		}
		if !slices.Equal(got, vals) {
			t.Fatalf("case %d: %v became %v", i, vals, got)
		}
	}
}

// TestSize holds the layout to its widths: SQL relies on them too.
func TestSize(t *testing.T) {
	for _, c := range []struct {
		vals []int64
		bits int
	}{
		{slices.Repeat([]int64{5000}, 64), 8 + 7 + 14},
		{slices.Repeat([]int64{0}, 1000), 8 + 16*7},
		{[]int64{-1, 0}, 8 + 7 + 1 + 2*1},
		{[]int64{10, 11, 12, 13, 17}, 8 + 7 + 5 + 5*3},
		{[]int64{math.MinInt64, math.MaxInt64}, 8 + 7 + 2*64},
	} {
		if got, want := len(new(Encoder).Append(nil, c.vals)), (c.bits+7)/8; got != want {
			t.Errorf("%d integers take %d bytes, want %d", len(c.vals), got, want)
		}
	}
}

// TestNoAllocation: neither way allocates once the buffers are there.
func TestNoAllocation(t *testing.T) {
	vals := random(rand.New(rand.NewPCG(3, 4)), 1000, 20, 7)
	var enc Encoder
	buf, back := enc.Append(nil, vals), make([]int64, len(vals))
	if n := testing.AllocsPerRun(10, func() {
		buf = enc.Append(buf[:0], vals)
		if err := Decode(back, buf); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzDecode: no bytes make Decode panic, and what it accepts is what Append
// would write or, where a frame was chosen larger than need be, means the same.
func FuzzDecode(f *testing.F) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, width := range []int{0, 3, 20, 57, 58, 64} {
		vals := random(rnd, 70, width, 1000)
		f.Add(len(vals), new(Encoder).Append(nil, vals))
	}
	f.Fuzz(func(t *testing.T, n int, src []byte) {
		if n < 0 || n > 10_000 {
			return
		}
		vals, again := make([]int64, n), make([]int64, n)
		if err := Decode(vals, src); err != nil {
			return
		}
		packed := new(Encoder).Append(nil, vals)
		if len(packed) > len(src) {
			t.Fatalf("%d integers from %d bytes take %d", n, len(src), len(packed))
		}
		if err := Decode(again, packed); err != nil || !slices.Equal(vals, again) {
			t.Fatalf("%v became %v: %v", vals, again, err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, width := range []int{0, 5, 12, 20, 45, 60} {
		b.Run(fmt.Sprintf("width=%d", width), func(b *testing.B) {
			vals := make([]int64, 65_536)
			rnd := rand.New(rand.NewPCG(7, 8))
			for i := range vals {
				vals[i] = int64(rnd.Uint64() >> 1 >> (63 - width))
			}
			var buf []byte
			var enc Encoder
			for b.Loop() {
				buf = enc.Append(buf[:0], vals)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(vals)), "ns/integer")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, width := range []int{0, 5, 12, 20, 45, 60} {
		b.Run(fmt.Sprintf("width=%d", width), func(b *testing.B) {
			vals := make([]int64, 65_536)
			rnd := rand.New(rand.NewPCG(7, 8))
			for i := range vals {
				vals[i] = int64(rnd.Uint64() >> 1 >> (63 - width))
			}
			buf := new(Encoder).Append(nil, vals)
			for b.Loop() {
				if err := Decode(vals, buf); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(vals)), "ns/integer")
		})
	}
}

// anySize makes an integer of any number of bits; with 64 it can be negative.
func anySize(rnd *rand.Rand) int64 { return int64(rnd.Uint64() >> rnd.IntN(64)) }
