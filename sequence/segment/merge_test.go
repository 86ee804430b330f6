package segment

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"laminar/sequence"
)

type key struct {
	series sequence.SeriesID
	t      int64
}

// randomHot makes hot segments of one bucket in ascending sequence, with
// repeats, late samples and stale markers; with hists, some hold histograms.
func randomHot(rnd *rand.Rand, n int, hists bool) []Segment {
	const bucket = 3 * BucketMillis
	var out []Segment
	for seq := range n {
		size := 1 + rnd.IntN(40)
		seg := Segment{Region: 2, Metric: 7, MinSeq: sequence.Seq(seq + 5), MaxSeq: sequence.Seq(seq + 5), Base: bucket, MinT: math.MaxInt64}
		for range size {
			t := bucket + rnd.Int64N(60)
			v := rnd.NormFloat64()
			if rnd.IntN(20) == 0 {
				v = Stale()
			}
			seg.Series = append(seg.Series, sequence.SeriesID(1+rnd.IntN(6)))
			seg.Offsets = append(seg.Offsets, int32(t-bucket))
			seg.Values = append(seg.Values, v)
			seg.MinT, seg.MaxT = min(seg.MinT, t), max(seg.MaxT, t)
			seg.HasStale = seg.HasStale || IsStale(v)
		}
		if hists && rnd.IntN(2) == 0 {
			for range size {
				seg.Histograms = append(seg.Histograms, []byte{1, byte(rnd.IntN(256))})
			}
		}
		out = append(out, seg)
	}
	return out
}

// TestMerge holds the merge to its law: it equals a map in which every sample
// replaces the one before, and its segments keep S1 to S7.
func TestMerge(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	both := 0
	for round := range 3000 {
		in := randomHot(rnd, 1+rnd.IntN(8), round%2 == 0)
		earliest := int64(0)
		if round%3 == 0 {
			earliest = 3*BucketMillis + rnd.Int64N(70)
		}
		limit := 1 + rnd.IntN(60)
		before := cloneAll(in)
		want := map[key]stored{}
		for i := range in {
			for j := range in[i].Series {
				if at := in[i].Time(j); at >= earliest {
					want[key{in[i].Series[j], at}] = storedAt(&in[i], j)
				}
			}
		}
		out := Merge(in, earliest, limit)
		if !sameBits(in, before) {
			t.Fatalf("round %d: the input was changed", round)
		}
		got := map[key]stored{}
		last := key{series: -1}
		for i := range out {
			seg := &out[i]
			if i > 0 && (seg.Histograms != nil) != (out[i-1].Histograms != nil) {
				last = key{series: -1} // histograms come after the floats
				both++
			}
			checkSealed(t, seg, limit)
			if seg.MinSeq != in[0].MinSeq || seg.MaxSeq != in[len(in)-1].MaxSeq {
				t.Fatalf("round %d: sequences %d to %d, want %d to %d", round, seg.MinSeq, seg.MaxSeq, in[0].MinSeq, in[len(in)-1].MaxSeq)
			}
			for j := range seg.Series {
				k := key{seg.Series[j], seg.Time(j)}
				if k.series < last.series || k.series == last.series && k.t <= last.t {
					t.Fatalf("round %d: %v stands after %v", round, k, last)
				}
				if _, twice := got[k]; twice {
					t.Fatalf("round %d: %v came out twice", round, k)
				}
				last, got[k] = k, storedAt(seg, j)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("round %d: merged %d samples, want %d, or other values", round, len(got), len(want))
		}
	}
	if both < 500 {
		t.Errorf("only %d merges gave floats and histograms", both)
	}
}

// stored is what is kept at a key.
type stored struct {
	bits uint64
	hist string
}

func storedAt(seg *Segment, i int) stored {
	s := stored{bits: math.Float64bits(seg.Values[i])}
	if seg.Histograms != nil {
		s.hist = string(seg.Histograms[i])
	}
	return s
}

// TestMergeCutsByBytes: a segment of large histograms ends early.
func TestMergeCutsByBytes(t *testing.T) {
	in := Segment{MinSeq: 1, MaxSeq: 1}
	for i := range int32(10) {
		in.Series, in.Offsets, in.Values = append(in.Series, 1), append(in.Offsets, i), append(in.Values, 1)
		in.Histograms = append(in.Histograms, make([]byte, MaxHistogramBytes/3))
	}
	in.Histograms[5] = make([]byte, 2*MaxHistogramBytes)
	var sizes []int
	for _, seg := range Merge([]Segment{in}, 0, 100) {
		sizes = append(sizes, seg.Len())
	}
	if !slices.Equal(sizes, []int{3, 2, 1, 3, 1}) {
		t.Errorf("segments of %v histograms", sizes)
	}
}

// TestMergeCutsBetweenSeries: segments hold disjoint series when no series is
// larger than half a segment.
func TestMergeCutsBetweenSeries(t *testing.T) {
	var in Segment
	in.MinSeq, in.MaxSeq = 1, 1
	for id := range sequence.SeriesID(40) {
		for i := range int32(3 + id%8) {
			in.Series = append(in.Series, id+1)
			in.Offsets = append(in.Offsets, i)
			in.Values = append(in.Values, 1)
		}
	}
	seen := map[sequence.SeriesID]int{}
	out := Merge([]Segment{in}, 0, 20)
	for i := range out {
		for _, id := range slices.Compact(slices.Clone(out[i].Series)) {
			if other, ok := seen[id]; ok {
				t.Errorf("series %d is in segments %d and %d", id, other, i)
			}
			seen[id] = i
		}
	}
	if len(seen) != 40 {
		t.Errorf("%d series came out, want 40", len(seen))
	}
}

func checkSealed(t *testing.T, seg *Segment, limit int) {
	t.Helper()
	n := seg.Len()
	if n == 0 || n > limit || n != len(seg.Offsets) || n != len(seg.Values) || seg.Histograms != nil && n != len(seg.Histograms) {
		t.Fatalf("segment of %d series, %d times, %d values, limit %d", n, len(seg.Offsets), len(seg.Values), limit)
	}
	if !seg.Sealed || seg.Region != 2 || seg.Metric != 7 {
		t.Fatalf("segment is %+v", *seg)
	}
	lo, hi, stale := int64(math.MaxInt64), int64(0), false
	for i := range seg.Series {
		lo, hi = min(lo, seg.Time(i)), max(hi, seg.Time(i))
		stale = stale || IsStale(seg.Values[i])
		if seg.Offsets[i] < 0 {
			t.Fatalf("offset %d is negative", seg.Offsets[i])
		}
	}
	if lo != seg.MinT || hi != seg.MaxT || seg.Base > lo || stale != seg.HasStale || Bucket(lo) != Bucket(hi) {
		t.Fatalf("segment says base %d, times %d to %d, stale %v; its samples %d to %d, %v", seg.Base, seg.MinT, seg.MaxT, seg.HasStale, lo, hi, stale)
	}
}

func cloneAll(in []Segment) []Segment {
	out := slices.Clone(in)
	for i := range out {
		out[i].Series, out[i].Offsets, out[i].Values = slices.Clone(in[i].Series), slices.Clone(in[i].Offsets), slices.Clone(in[i].Values)
	}
	return out
}

func sameBits(a, b []Segment) bool {
	for i := range a {
		same := slices.Equal(a[i].Series, b[i].Series) && slices.Equal(a[i].Offsets, b[i].Offsets)
		if !same || !slices.EqualFunc(a[i].Values, b[i].Values, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) }) {
			return false
		}
	}
	return len(a) == len(b)
}

func BenchmarkMerge(b *testing.B) {
	const series, points = 1000, 1000
	in := make([]Segment, points)
	for p := range in {
		in[p].MinSeq, in[p].MaxSeq = sequence.Seq(p+1), sequence.Seq(p+1)
		for s := range series {
			in[p].Series = append(in[p].Series, sequence.SeriesID(s+1))
			in[p].Offsets = append(in[p].Offsets, int32(p*1000))
			in[p].Values = append(in[p].Values, float64(s))
		}
	}
	for b.Loop() {
		Merge(in, 0, 65536)
	}
	b.ReportMetric(float64(series*points)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
}
