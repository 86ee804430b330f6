package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"laminar/sequence"
)

// kinds of values, each by a series' random source: next gives one after another.
var kinds = []struct {
	name string
	next func(rnd *rand.Rand) func() float64
}{
	{"constant", func(rnd *rand.Rand) func() float64 { v := rnd.NormFloat64(); return func() float64 { return v } }},
	{"counter", func(rnd *rand.Rand) func() float64 {
		v := 0.0
		return func() float64 {
			if v += float64(rnd.IntN(300)); rnd.IntN(200) == 0 {
				v = 0
			}
			return v
		}
	}},
	{"float counter", func(rnd *rand.Rand) func() float64 {
		v := 0.0
		return func() float64 {
			if v += rnd.Float64(); rnd.IntN(200) == 0 {
				v = 0
			}
			return v
		}
	}},
	{"decimal walk", func(rnd *rand.Rand) func() float64 {
		v := 0.0
		return func() float64 { v += math.Round(rnd.NormFloat64()*100) / 100; return math.Round(v*100) / 100 }
	}},
	{"decimals", func(rnd *rand.Rand) func() float64 {
		return func() float64 { return math.Round(rnd.NormFloat64()*1e6) / 1e6 }
	}},
	{"float walk", func(rnd *rand.Rand) func() float64 {
		v := 50.0
		return func() float64 { v += rnd.NormFloat64(); return v }
	}},
	{"floats of both signs", func(rnd *rand.Rand) func() float64 { return func() float64 { return 100 * rnd.NormFloat64() } }},
	{"bits", func(rnd *rand.Rand) func() float64 {
		return func() float64 { return math.Float64frombits(rnd.Uint64()) }
	}},
	{"edges", func(rnd *rand.Rand) func() float64 {
		edges := []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 1e15, 1e22, 1e-15, 1<<53 - 1, 1 << 53, 1<<53 + 2, -(1<<53 - 1), math.MaxFloat64, -math.MaxFloat64,
			math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, 0x1p-1022, 0x1p-1023, math.Inf(1), math.Inf(-1), math.NaN(), Stale()}
		return func() float64 { return edges[rnd.IntN(len(edges))] }
	}},
	{"mostly decimals", func(rnd *rand.Rand) func() float64 {
		return func() float64 {
			if rnd.IntN(20) == 0 {
				return rnd.Float64()
			}
			return float64(rnd.IntN(1000)) / 10
		}
	}},
}

// randomSealed makes a segment as Merge would, of a kind of values; -1 is any
// kind in every series.
func randomSealed(rnd *rand.Rand, kind, series, samples int) Segment {
	seg := Segment{Region: 1, Metric: 7, Sealed: true, Base: 3*BucketMillis + rnd.Int64N(1000)}
	seg.MinT, seg.MaxT = math.MaxInt64, 0
	id := sequence.SeriesID(0)
	for range series {
		id += 1 + sequence.SeriesID(rnd.IntN(1<<rnd.IntN(20)))
		k := kind
		if k < 0 {
			k = rnd.IntN(len(kinds))
		}
		next := kinds[k].next(rnd)
		t := rnd.Int32N(5000)
		for n := range samples {
			v := next()
			if rnd.IntN(100) == 0 || rnd.IntN(20) == 0 && n == samples-1 {
				v = Stale()
			}
			seg.Series, seg.Offsets, seg.Values = append(seg.Series, id), append(seg.Offsets, t), append(seg.Values, v)
			seg.HasStale = seg.HasStale || IsStale(v)
			seg.MinT, seg.MaxT = min(seg.MinT, seg.Base+int64(t)), max(seg.MaxT, seg.Base+int64(t))
			switch rnd.IntN(100) {
			case 0:
				t += 1 + rnd.Int32N(60_000)
			case 1, 2, 3, 4, 5:
				t += 4_990 + rnd.Int32N(20)
			default:
				t += 5_000
			}
		}
	}
	return seg
}

// head is a segment with the metadata of seg and no samples, as a reader has it.
func head(seg *Segment) Segment { return Segment{Base: seg.Base, MinT: seg.MinT, MaxT: seg.MaxT} }

// TestPack: what was packed comes back bit for bit, for all kinds of values and
// shapes, with a packer and an unpacker that were used before.
func TestPack(t *testing.T) {
	var p Packer
	var u Unpacker
	var back Segment
	for seed := range uint64(600) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		kind := rnd.IntN(len(kinds)+1) - 1
		seg := randomSealed(rnd, kind, 1+rnd.IntN(30), 1+rnd.IntN(1<<rnd.IntN(10)))
		before := cloneAll([]Segment{seg})
		packed, err := p.Append([]byte("x"), &seg)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !sameBits([]Segment{seg}, before) {
			t.Fatalf("seed %d: the segment was changed", seed)
		}
		back.Base, back.MinT, back.MaxT = seg.Base, seg.MinT, seg.MaxT
		if err := u.Unpack(packed[1:], &back); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !sameBits([]Segment{seg}, []Segment{back}) {
			t.Fatalf("seed %d: %d samples came back as %d, or others", seed, seg.Len(), back.Len())
		}
	}
}

// TestPackRefuses what is no sealed segment.
func TestPackRefuses(t *testing.T) {
	var p Packer
	for name, seg := range map[string]Segment{
		"empty":           {},
		"series fall":     {Series: []sequence.SeriesID{2, 1}, Offsets: []int32{1, 2}, Values: []float64{1, 2}},
		"series return":   {Series: []sequence.SeriesID{1, 2, 1}, Offsets: []int32{1, 2, 3}, Values: []float64{1, 2, 3}},
		"times fall":      {Series: []sequence.SeriesID{1, 1}, Offsets: []int32{2, 1}, Values: []float64{1, 2}},
		"time repeats":    {Series: []sequence.SeriesID{1, 1}, Offsets: []int32{2, 2}, Values: []float64{1, 2}},
		"negative offset": {Series: []sequence.SeriesID{1}, Offsets: []int32{-1}, Values: []float64{1}},
		"series 0":        {Series: []sequence.SeriesID{0}, Offsets: []int32{1}, Values: []float64{1}},
	} {
		if out, err := p.Append(nil, &seg); err == nil || len(out) > 0 {
			t.Errorf("%s: %d bytes, %v", name, len(out), err)
		}
	}
}

// TestUnpackDamaged flips every bit of a packed segment, cuts it and makes it
// longer: all are noticed.
func TestUnpackDamaged(t *testing.T) {
	seg := randomSealed(rand.New(rand.NewPCG(1, 2)), -1, 5, 20)
	packed, err := new(Packer).Append(nil, &seg)
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
	newer := slices.Clone(packed)
	newer[0] = 3
	back := head(&seg)
	if err := u.Unpack(newer, &back); err == nil || errors.Is(err, errDamaged) || !strings.Contains(err.Error(), "version 3") {
		t.Errorf("of a newer version: %v", err)
	}
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

// reseal makes the checksum right, so that only the structure can be wrong.
func reseal(packed []byte) {
	if len(packed) > 5 {
		binary.BigEndian.PutUint32(packed[1:], crc32.Checksum(packed[5:], castagnoli))
	}
}

// FuzzUnpack: bytes with a right checksum never make Unpack panic or give a
// segment that breaks S1 to S3 or S6.
func FuzzUnpack(f *testing.F) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		seg := randomSealed(rnd, int(seed)%(len(kinds)+1)-1, 1+rnd.IntN(4), 1+rnd.IntN(80))
		packed, err := new(Packer).Append(nil, &seg)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed, seg.MinT-seg.Base, seg.MaxT-seg.Base)
	}
	f.Fuzz(func(t *testing.T, packed []byte, first, last int64) {
		packed = slices.Clone(packed)
		reseal(packed)
		if len(packed) > packedHeader && binary.BigEndian.Uint32(packed[5:]) > 1<<16 {
			return // only large
		}
		seg := Segment{Base: 1000, MinT: 1000 + first, MaxT: 1000 + last}
		if err := new(Unpacker).Unpack(packed, &seg); err != nil {
			return
		}
		if seg.Len() == 0 || len(seg.Offsets) != seg.Len() || len(seg.Values) != seg.Len() {
			t.Fatalf("%d series, %d offsets, %d values", len(seg.Series), len(seg.Offsets), len(seg.Values))
		}
		for i := range seg.Series {
			at := seg.Time(i)
			if at < seg.MinT || at > seg.MaxT || seg.Series[i] < 1 ||
				i > 0 && (seg.Series[i] < seg.Series[i-1] || seg.Series[i] == seg.Series[i-1] && seg.Offsets[i] <= seg.Offsets[i-1]) {
				t.Fatalf("sample %d is (%d, %d)", i, seg.Series[i], seg.Offsets[i])
			}
		}
	})
}

// TestPackNoAllocation: neither way allocates once the buffers are there.
func TestPackNoAllocation(t *testing.T) {
	seg := randomSealed(rand.New(rand.NewPCG(3, 4)), -1, 20, 100)
	var p Packer
	var u Unpacker
	var buf []byte
	back := head(&seg)
	if n := testing.AllocsPerRun(10, func() {
		var err error
		if buf, err = p.Append(buf[:0], &seg); err != nil {
			t.Fatal(err)
		}
		if err := u.Unpack(buf, &back); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// benchSegment is a segment of 65,536 samples, of series of 512.
func benchSegment(b *testing.B, kind int) (Segment, []byte) {
	b.Helper()
	seg := randomSealed(rand.New(rand.NewPCG(5, 6)), kind, 128, 512)
	packed, err := new(Packer).Append(nil, &seg)
	if err != nil {
		b.Fatal(err)
	}
	return seg, packed
}

func BenchmarkPack(b *testing.B) {
	for kind, k := range kinds {
		b.Run(strings.ReplaceAll(k.name, " ", "_"), func(b *testing.B) {
			seg, buf := benchSegment(b, kind)
			var p Packer
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = p.Append(buf[:0], &seg)
			}
			b.ReportMetric(float64(len(buf))/float64(seg.Len()), "B/sample")
			b.ReportMetric(float64(seg.Len())*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
		})
	}
}

func BenchmarkUnpack(b *testing.B) {
	for kind, k := range kinds {
		b.Run(strings.ReplaceAll(k.name, " ", "_"), func(b *testing.B) {
			seg, packed := benchSegment(b, kind)
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
