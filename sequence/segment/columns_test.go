package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"laminar/sequence"
)

// unsortedSegment makes a segment as a flush does: samples of many series, one or few
// of each, in any order. -1 is any kind of values in every series.
func unsortedSegment(rnd *rand.Rand, kind, series, each int) Segment {
	sealed := randomSealed(rnd, kind, series, each)
	hot := Segment{Region: 1, Metric: 7, Base: sealed.Base, MinT: sealed.MinT, MaxT: sealed.MaxT, HasStale: sealed.HasStale}
	for _, i := range rnd.Perm(sealed.Len()) {
		hot.Series = append(hot.Series, sealed.Series[i])
		hot.Offsets = append(hot.Offsets, sealed.Offsets[i])
		hot.Values = append(hot.Values, sealed.Values[i])
	}
	return hot
}

// TestColumns: columns come back bit for bit and in order, for all kinds of
// values and shapes, with a packer and an unpacker that were used before.
func TestColumns(t *testing.T) {
	var p Packer
	var u Unpacker
	var back Segment
	modes := map[mode]int{}
	for seed := range uint64(600) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		kind := rnd.IntN(len(kinds)+1) - 1
		seg := unsortedSegment(rnd, kind, 1+rnd.IntN(1<<rnd.IntN(9)), 1+rnd.IntN(3))
		if rnd.IntN(2) == 0 {
			for i, v := range seg.Values { // a single stale marker would make bits of all
				if IsStale(v) {
					seg.Values[i] = seg.Values[0]
				}
			}
		}
		before := cloneAll([]Segment{seg})
		packed, err := p.AppendColumns([]byte("x"), &seg)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !sameBits([]Segment{seg}, before) {
			t.Fatalf("seed %d: the segment was changed", seed)
		}
		modes[mode(packed[1+9])]++
		back.Base, back.MinT, back.MaxT = seg.Base, seg.MinT, seg.MaxT
		if err := u.Unpack(packed[1:], &back); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !sameBits([]Segment{seg}, []Segment{back}) {
			t.Fatalf("seed %d: %d samples came back as %d, or others", seed, seg.Len(), back.Len())
		}
	}
	if modes[0] == 0 || modes[2] == 0 || modes[modeBits] == 0 {
		t.Errorf("modes seen: %v", modes)
	}
}

// TestColumnsSize: what is alike takes no bytes, and the rest whole ones.
func TestColumnsSize(t *testing.T) {
	one := []sequence.SeriesID{7}
	for name, c := range map[string]struct {
		seg  Segment
		want int
	}{
		"one sample":  {Segment{Series: one, Offsets: []int32{0}, Values: []float64{1e9}}, 0},
		"a scrape":    {Segment{Series: []sequence.SeriesID{1000, 1255, 1001}, Offsets: []int32{0, 0, 0}, Values: []float64{70_000, 70_255, 70_001}}, 3 * (1 + 0 + 1)},
		"hundredths":  {Segment{Series: []sequence.SeriesID{1, 257}, Offsets: []int32{0, 255}, Values: []float64{0.01, -655.35}}, 2 * (2 + 1 + 3)},
		"wide":        {Segment{Series: []sequence.SeriesID{1, math.MaxInt32}, Offsets: []int32{0, math.MaxInt32}, Values: []float64{-(1<<53 - 1), 1<<53 - 1}}, 2 * (4 + 4 + 7)},
		"many digits": {Segment{Series: []sequence.SeriesID{1, 2}, Offsets: []int32{0, 0}, Values: []float64{math.Pi, -math.E}}, 2 * (1 + 0 + 7)},
		"too many":    {Segment{Series: []sequence.SeriesID{1, 2}, Offsets: []int32{0, 0}, Values: []float64{math.Pi, -math.E / 1e9}}, 2 * (1 + 0 + 8)},
	} {
		packed, err := new(Packer).AppendColumns(nil, &c.seg)
		if err != nil || len(packed) != columnsHeader+c.want {
			t.Errorf("%s: %d bytes, want %d and %d, %v", name, len(packed), columnsHeader, c.want, err)
		}
	}
}

// TestColumnsRefuse what is no segment.
func TestColumnsRefuse(t *testing.T) {
	var p Packer
	for name, seg := range map[string]Segment{
		"empty":           {},
		"negative offset": {Series: []sequence.SeriesID{1, 2}, Offsets: []int32{3, -1}, Values: []float64{1, 2}},
		"series 0":        {Series: []sequence.SeriesID{1, 0}, Offsets: []int32{1, 2}, Values: []float64{1, 2}},
	} {
		if out, err := p.AppendColumns(nil, &seg); err == nil || len(out) > 0 {
			t.Errorf("%s: %d bytes, %v", name, len(out), err)
		}
	}
}

// TestColumnsDamaged flips every bit of columns, cuts them and makes them longer:
// all are noticed, and so are times outside of the segment's.
func TestColumnsDamaged(t *testing.T) {
	seg := unsortedSegment(rand.New(rand.NewPCG(1, 2)), -1, 20, 2)
	packed, err := new(Packer).AppendColumns(nil, &seg)
	if err != nil {
		t.Fatal(err)
	}
	var u Unpacker
	refuse := func(name string, damaged []byte) {
		t.Helper()
		back := head(&seg)
		if err := u.Unpack(damaged, &back); err == nil {
			t.Fatalf("%s was not noticed", name)
		}
	}
	for bit := range 8 * len(packed) {
		damaged := slices.Clone(packed)
		damaged[bit/8] ^= 1 << (bit % 8)
		refuse(fmt.Sprintf("flipped bit %d", bit), damaged)
	}
	for n := range len(packed) {
		refuse(fmt.Sprintf("cut to %d bytes", n), packed[:n])
	}
	refuse("a byte more", append(slices.Clone(packed), 0))
	for name, wrong := range map[string]Segment{
		"begins too early": {Base: seg.Base, MinT: seg.MinT + 1, MaxT: seg.MaxT},
		"ends too late":    {Base: seg.Base, MinT: seg.MinT, MaxT: seg.MaxT - 1},
		"base too late":    {Base: seg.MinT + 1, MinT: seg.MinT, MaxT: seg.MaxT},
		"upside down":      {Base: seg.Base, MinT: seg.MaxT, MaxT: seg.MinT},
	} {
		if err := u.Unpack(packed, &wrong); !errors.Is(err, errDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzUnpackColumns: bytes with a right checksum never make Unpack panic or give
// a segment that breaks S1 to S3.
func FuzzUnpackColumns(f *testing.F) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		seg := unsortedSegment(rnd, int(seed)%(len(kinds)+1)-1, 1+rnd.IntN(4), 1+rnd.IntN(4))
		packed, err := new(Packer).AppendColumns(nil, &seg)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed, seg.MinT-seg.Base, seg.MaxT-seg.Base)
	}
	f.Fuzz(func(t *testing.T, packed []byte, first, last int64) {
		packed = slices.Clone(packed)
		reseal(packed)
		if len(packed) < columnsHeader || packed[0] != columnsVersion || binary.BigEndian.Uint32(packed[5:]) > 1<<16 {
			return
		}
		seg := Segment{Base: 1000, MinT: 1000 + first, MaxT: 1000 + last}
		if err := new(Unpacker).Unpack(packed, &seg); err != nil {
			return
		}
		if seg.Len() == 0 || len(seg.Offsets) != seg.Len() || len(seg.Values) != seg.Len() {
			t.Fatalf("%d series, %d offsets, %d values", len(seg.Series), len(seg.Offsets), len(seg.Values))
		}
		for i := range seg.Series {
			if at := seg.Time(i); at < seg.MinT || at > seg.MaxT || seg.Series[i] < 1 {
				t.Fatalf("sample %d is (%d, %d)", i, seg.Series[i], seg.Offsets[i])
			}
		}
	})
}

// TestColumnsNoAllocation: neither way allocates once the buffers are there.
func TestColumnsNoAllocation(t *testing.T) {
	seg := unsortedSegment(rand.New(rand.NewPCG(3, 4)), -1, 80, 1)
	var p Packer
	var u Unpacker
	var buf []byte
	back := head(&seg)
	if n := testing.AllocsPerRun(10, func() {
		var err error
		if buf, err = p.AppendColumns(buf[:0], &seg); err != nil {
			t.Fatal(err)
		}
		if err := u.Unpack(buf, &back); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// flushed is a segment of a flush of one metric: 80 series, a sample of each.
func flushed(kind int) Segment {
	seg := unsortedSegment(rand.New(rand.NewPCG(5, 6)), kind, 80, 1)
	next := kinds[kind].next(rand.New(rand.NewPCG(7, 8)))
	for i := range seg.Values {
		seg.Values[i] = next()
	}
	return seg
}

func BenchmarkAppendColumns(b *testing.B) {
	for kind, k := range kinds {
		b.Run(strings.ReplaceAll(k.name, " ", "_"), func(b *testing.B) {
			seg := flushed(kind)
			var p Packer
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = p.AppendColumns(buf[:0], &seg)
			}
			b.ReportMetric(float64(len(buf))/float64(seg.Len()), "B/sample")
			b.ReportMetric(float64(seg.Len())*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
		})
	}
}

func BenchmarkUnpackColumns(b *testing.B) {
	for kind, k := range kinds {
		b.Run(strings.ReplaceAll(k.name, " ", "_"), func(b *testing.B) {
			seg := flushed(kind)
			packed, err := new(Packer).AppendColumns(nil, &seg)
			if err != nil {
				b.Fatal(err)
			}
			var u Unpacker
			back := head(&seg)
			b.ReportAllocs()
			for b.Loop() {
				if err := u.Unpack(packed, &back); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(seg.Len())*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
		})
	}
}
