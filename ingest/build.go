package ingest

import (
	"cmp"
	"math"
	"slices"

	"laminar/ingest/registry"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// From a draft to the segments of a flush.
// Before: the region's lock is held; the draft is settled (D1, D2), and all its
// series and metrics have ids and bounds at the position before the flush.
// After: every sample of the draft is in exactly one segment, or was counted as a
// repeat.
//
//	n samples that were not left out = written + repeats
//	written = ordered + unordered

// maxSegmentSamples bounds one segment, so that a reader's buffers stay small.
const maxSegmentSamples = 1 << 16

// builder turns a settled draft into segments.
//
// The samples of a draft stand in the order in which they came, metrics mixed. A
// segment holds one metric. Since the draft has counted its metrics, each gets a
// stretch of the arrays beforehand, and one pass over the samples writes them:
//
//	ids      | metric 1 ...... | metric 2 ... | metric 3 ......... | spilled
//	offsets  |                 |              |                    |
//	values   |                 |              |                    |
//
// Stretches become ordered segments as they stand, without a copy. What does not
// fit that picture is spilled behind them and sorted: late samples, and the samples
// of a metric that lie in several time buckets.
//
// The arrays are used again for the next flush, so segments are valid until then.
type builder struct {
	ids        []sequence.SeriesID
	offsets    []int32
	values     []float64
	histograms [][]byte  // as long as values where the draft holds histograms, else empty
	stretches  []stretch // by draft.metrics
	spilled    []spill
	segments   []segment.Segment
	built

	// repeated says whether a sample at its series' newest time is there
	// already, see known.repeated.
	repeated func(s *registry.Series, v float64, payload []byte) bool
}

// built counts what became of a draft's samples.
type built struct {
	written    int
	unordered  int
	repeats    int   // bit-equal to the newest committed sample of their series, so not written
	doubtful   bool  // a sample is late by a bound that may be too high
	minT, maxT int64 // of the written samples, milliseconds since the epoch
}

// stretch is where the ordered samples of one metric go: arrays[start:next],
// start+samples at most.
type stretch struct {
	metric      sequence.MetricID
	start, next int
	base        int64 // milliseconds since the epoch
	minT, maxT  int64
	oneBucket   bool
	stale       bool
	histogram   bool // of native histograms: values are their sums
}

// spill is a sample that cannot go straight into its metric's stretch: a late one,
// or one of a metric whose samples lie in several time buckets.
type spill struct {
	stretch int32
	place   int32 // in the draft
	series  sequence.SeriesID
	late    bool
	bucket  int64 // milliseconds since the epoch
	t       int64
	v       float64
}

// build decides of every sample whether it is ordered and writes it into a
// segment of its metric (S1 to S5, S7). The draft is settled, every series and
// metric has its id, and the bounds of the series are those at the position
// before the flush.
//
// A sample is ordered when it is newer than every committed sample of its
// series; within the flush the draft's order (D1, D2) sees to the rest. Others
// go to segments of their own, behind the ordered ones, so that one late sample
// does not make its flush's other samples unordered. A sample bit-equal to the
// newest committed one of its series is a resend and is not written: there it would
// be late, and make every flow that reads it compute again for nothing.
//
// Where a bound is not exact and a sample is late by it, built.doubtful says so: it
// may be ordered after all, and the caller can read more and build again.
func (b *builder) build(d *draft, fl sequence.Flush) []segment.Segment {
	b.built = built{minT: math.MaxInt64, maxT: math.MinInt64}
	b.spilled, b.segments = b.spilled[:0], b.segments[:0]
	b.layOut(d)
	for i := range d.samples {
		smp := &d.samples[i]
		s := smp.series
		if s == nil {
			continue
		}
		late := smp.t <= s.LastT
		b.doubtful = b.doubtful || late && s.Exact == registry.NotExact
		if late && smp.t == s.LastT && b.repeated(s, smp.v, d.payload(smp)) {
			b.repeats++
			continue
		}
		c := &b.stretches[smp.metric]
		if late || !c.oneBucket {
			b.spilled = append(b.spilled, spill{late: late, stretch: smp.metric, place: int32(i),
				bucket: segment.Bucket(smp.t), series: s.ID, t: smp.t, v: smp.v})
			continue
		}
		b.ids[c.next], b.offsets[c.next], b.values[c.next] = s.ID, int32(smp.t-c.base), smp.v
		if c.histogram {
			b.histograms[c.next] = d.payloads[smp.payload-1]
		}
		c.next++
		c.minT, c.maxT = min(c.minT, smp.t), max(c.maxT, smp.t)
		c.stale = c.stale || segment.IsStale(smp.v)
	}
	for i := range b.stretches {
		b.cut(&b.stretches[i], true)
	}
	b.cutSpilled(d)
	for i := range b.segments {
		seg := &b.segments[i]
		seg.Region, seg.MinSeq, seg.MaxSeq = fl.Region, fl.Seq, fl.Seq
		b.written += seg.Len()
		b.minT, b.maxT = min(b.minT, seg.MinT), max(b.maxT, seg.MaxT)
	}
	return b.segments
}

// layOut gives every metric its stretch of the arrays, as long as the samples that
// came: some may turn out to be late or repeats, and leave room at its end.
func (b *builder) layOut(d *draft) {
	b.stretches = b.stretches[:0]
	total := 0
	for _, m := range d.metrics {
		b.stretches = append(b.stretches, stretch{
			metric: m.id, start: total, next: total, base: m.minT,
			minT: math.MaxInt64, maxT: math.MinInt64,
			oneBucket: segment.Bucket(m.minT) == segment.Bucket(m.maxT),
			histogram: m.histogram,
		})
		total += m.samples
	}
	b.ids = slices.Grow(b.ids[:0], total)[:total]
	b.offsets = slices.Grow(b.offsets[:0], total)[:total]
	b.values = slices.Grow(b.values[:0], total)[:total]
	b.histograms = b.histograms[:0]
	if len(d.payloads) > 0 {
		b.histograms = slices.Grow(b.histograms, total)[:total]
	}
}

// cut makes segments of what is in a stretch. Nearly always that is one; limits on
// samples and on bytes of histograms end a segment early.
func (b *builder) cut(c *stretch, ordered bool) {
	var end int
	for start := c.start; start < c.next; start = end {
		end = min(start+maxSegmentSamples, c.next)
		if c.histogram {
			end = start + segment.HistogramsWithin(b.histograms[start:end], maxSegmentSamples)
		}
		seg := segment.Segment{
			Metric: c.metric, Ordered: ordered, HasStale: c.stale,
			MinT: c.minT, MaxT: c.maxT, Base: c.base,
			Series:  b.ids[start:end:end],
			Offsets: b.offsets[start:end:end],
			Values:  b.values[start:end:end],
		}
		if c.histogram {
			seg.Histograms = b.histograms[start:end:end]
		}
		if end-start < c.next-c.start { // one of several: its own bounds
			seg.MinT = c.base + int64(slices.Min(seg.Offsets))
			seg.MaxT = c.base + int64(slices.Max(seg.Offsets))
			seg.HasStale = slices.ContainsFunc(seg.Values, segment.IsStale)
		}
		b.segments = append(b.segments, seg)
	}
}

// cutSpilled makes segments of the spilled samples: the ordered ones by metric
// and bucket, older buckets first, then the late ones. Samples keep the
// draft's order within a segment.
func (b *builder) cutSpilled(d *draft) {
	if len(b.spilled) == 0 {
		return
	}
	slices.SortFunc(b.spilled, func(x, y spill) int {
		if x.late != y.late {
			if x.late {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(x.stretch, y.stretch), cmp.Compare(x.bucket, y.bucket), cmp.Compare(x.place, y.place))
	})
	for rest := b.spilled; len(rest) > 0; {
		head := rest[0]
		n := 1
		minT, maxT := head.t, head.t
		for n < len(rest) {
			sp := rest[n]
			if sp.late != head.late || sp.stretch != head.stretch || sp.bucket != head.bucket {
				break
			}
			minT, maxT = min(minT, sp.t), max(maxT, sp.t)
			n++
		}
		from := &b.stretches[head.stretch]
		c := stretch{metric: from.metric, histogram: from.histogram, start: len(b.ids), base: minT, minT: minT, maxT: maxT}
		for _, sp := range rest[:n] {
			b.ids = append(b.ids, sp.series)
			b.offsets = append(b.offsets, int32(sp.t-minT))
			b.values = append(b.values, sp.v)
			c.stale = c.stale || segment.IsStale(sp.v)
			if len(b.histograms) > 0 {
				b.histograms = append(b.histograms, d.payload(&d.samples[sp.place]))
			}
		}
		c.next = len(b.ids)
		if head.late {
			b.unordered += n
		}
		b.cut(&c, !head.late)
		rest = rest[n:]
	}
}

// metrics lists the metrics that the built segments hold samples of.
func (b *builder) metrics() []sequence.MetricID {
	ids := make([]sequence.MetricID, 0, len(b.segments))
	for i := range b.segments {
		ids = append(ids, b.segments[i].Metric)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
