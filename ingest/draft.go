package ingest

import (
	"cmp"
	"fmt"
	"slices"

	"laminar/sequence"
	"laminar/sequence/nativehist"
)

// draft is the next flush of a region while it is being filled.
//
//	D1  at most one sample per (series, time) once it is settled: the last to
//	    arrive
//	D2  the samples of a series ascend in time once it is settled
//	D3  slots[s.slot] is the metric of sample s, and whether s is a native
//	    histogram; then its value is its number in histograms
//
// Both hold from the start for series whose samples arrive in order, which is
// checked against the series itself in a few nanoseconds; settle sees to the
// others.
type draft struct {
	epoch      uint32 // grows with every draft of the region; marks series and metrics
	samples    []draftSample
	slots      []slot
	histograms []nativeHistogram
	payloads   int                  // bytes of the histograms that came
	zeros      []draftSample        // that may be put before their samples, whose slots they have; see inject
	irregular  map[*knownSeries]int // series whose samples did not arrive in order, numbered
	batches    []*batch
}

// draftSample is one sample of a draft; series is nil when another of the same
// series and time has taken its place.
type draftSample struct {
	series *knownSeries
	t      int64 // milliseconds since the epoch
	v      float64
	slot   int32
	zero   bool // made of a start timestamp: gives way to any sample of its time
}

// slot counts the samples of one metric in a draft: the floats, or the native
// histograms.
type slot struct {
	metric     *metric
	histogram  bool
	id         sequence.MetricID // set by the flusher
	samples    int
	minT, maxT int64 // of all samples that came, replaced ones too
}

func (d *draft) reset(epoch uint32) {
	d.epoch = epoch
	clear(d.samples)
	clear(d.zeros)
	clear(d.slots)
	clear(d.batches)
	clear(d.irregular)
	clear(d.histograms)
	d.samples, d.zeros, d.slots, d.batches = d.samples[:0], d.zeros[:0], d.slots[:0], d.batches[:0]
	d.histograms, d.payloads = d.histograms[:0], 0
}

// histogram is the native histogram that a sample is, nil for a float.
func (d *draft) histogram(smp *draftSample) *nativeHistogram {
	if !d.slots[smp.slot].histogram {
		return nil
	}
	return &d.histograms[int(smp.v)]
}

// size is how many samples the draft holds, for the decision whether it is full:
// 24 bytes of histograms count as one more.
func (d *draft) size() int { return len(d.samples) + d.payloads/24 }

// add appends a batch. The caller holds the buffer's mutex, which guards the
// marks on series and metrics; revive replaces series that were forgotten
// since the batch looked them up.
func (d *draft) add(b *batch, revive func(*knownSeries) *knownSeries) {
	d.batches = append(d.batches, b)
	d.samples = slices.Grow(d.samples, len(b.samples))
	zeros := b.zeros
	from := 0
	for i := range b.histograms {
		h := &b.histograms[i]
		d.addFloats(b, from, h.sample, &zeros, revive)
		d.addHistogram(b, h.sample, h.nativeHistogram, &zeros, revive)
		from = h.sample + 1
	}
	d.addFloats(b, from, len(b.samples), &zeros, revive)
	d.payloads += len(b.arena)
}

// addFloats adds the samples [from, to) of a batch, none of which is a
// histogram.
func (d *draft) addFloats(b *batch, from, to int, zeros *[]startZero, revive func(*knownSeries) *knownSeries) {
	for i := from; i < to; i++ {
		smp := &b.samples[i]
		s := smp.series
		if s.dead {
			s = revive(s)
			smp.series = s
		}
		start, started := takeZero(zeros, i)
		started = started && d.newest(s, start)
		if s.epoch == d.epoch && smp.t <= s.draftT {
			if smp.t == s.draftT {
				d.replace(s, smp.v, false)
				continue
			}
			d.disorder(s)
		} else {
			s.epoch, s.draftT, s.draftPos = d.epoch, smp.t, int32(len(d.samples))
		}
		m := s.metric
		if m.epoch != d.epoch {
			m.epoch, m.slot = d.epoch, int32(len(d.slots))
			d.slots = append(d.slots, slot{metric: m, minT: smp.t, maxT: smp.t})
		}
		d.count(m.slot, smp.t)
		d.samples = append(d.samples, draftSample{series: s, t: smp.t, v: smp.v, slot: m.slot})
		if started {
			d.zeros = append(d.zeros, draftSample{series: s, t: start, slot: m.slot, zero: true})
		}
	}
}

// newest reports whether a time is newer than every sample of a series in the
// draft.
func (d *draft) newest(s *knownSeries, t int64) bool { return s.epoch != d.epoch || t > s.draftT }

// addHistogram is addFloats for the histogram that sample i of a batch is.
func (d *draft) addHistogram(b *batch, i int, h nativeHistogram, zeros *[]startZero, revive func(*knownSeries) *knownSeries) {
	smp := &b.samples[i]
	s := smp.series
	if s.dead {
		s = revive(s)
		smp.series = s
	}
	start, started := takeZero(zeros, i)
	started = started && d.newest(s, start)
	number := float64(len(d.histograms))
	d.histograms = append(d.histograms, h)
	if s.epoch == d.epoch && smp.t <= s.draftT {
		if smp.t == s.draftT {
			d.replace(s, number, true)
			return
		}
		d.disorder(s)
	} else {
		s.epoch, s.draftT, s.draftPos = d.epoch, smp.t, int32(len(d.samples))
	}
	slot := d.slotOf(s.metric, smp.t, true)
	d.count(slot, smp.t)
	d.samples = append(d.samples, draftSample{series: s, t: smp.t, v: number, slot: slot})
	if started {
		d.zeros = append(d.zeros, draftSample{series: s, t: start, v: number, slot: slot, zero: true})
	}
}

// replace puts another sample in the place of the newest of a series, at the
// same time: the last to arrive wins.
func (d *draft) replace(s *knownSeries, v float64, histogram bool) {
	slot := d.slotOf(s.metric, s.draftT, histogram)
	d.count(slot, s.draftT)
	d.samples[s.draftPos].v, d.samples[s.draftPos].slot = v, slot
}

// slotOf is the metric's slot for floats or for histograms.
func (d *draft) slotOf(m *metric, t int64, histogram bool) int32 {
	epoch, number := &m.epoch, &m.slot
	if histogram {
		epoch, number = &m.histogramEpoch, &m.histogramSlot
	}
	if *epoch != d.epoch {
		*epoch, *number = d.epoch, int32(len(d.slots))
		d.slots = append(d.slots, slot{metric: m, histogram: histogram, minT: t, maxT: t})
	}
	return *number
}

// disorder takes note that a series is irregular.
func (d *draft) disorder(s *knownSeries) {
	if d.irregular == nil {
		d.irregular = make(map[*knownSeries]int)
	}
	if _, ok := d.irregular[s]; !ok {
		d.irregular[s] = len(d.irregular)
	}
}

// count adds a sample at t to a slot.
func (d *draft) count(slot int32, t int64) {
	sl := &d.slots[slot]
	sl.samples++
	sl.minT, sl.maxT = min(sl.minT, t), max(sl.maxT, t)
}

// refill makes the draft anew from the given batches, without the marks on
// series and metrics, which by now belong to a later draft. Every series
// counts as irregular until the draft is settled.
func (d *draft) refill(batches []*batch) {
	ids := make(map[*metric]sequence.MetricID, len(d.slots))
	for _, sl := range d.slots {
		ids[sl.metric] = sl.id
	}
	d.batches = append([]*batch(nil), batches...)
	d.samples, d.zeros, d.slots = d.samples[:0], d.zeros[:0], d.slots[:0]
	d.irregular = make(map[*knownSeries]int)
	d.histograms = d.histograms[:0]
	type kind struct {
		metric    *metric
		histogram bool
	}
	bySlot := make(map[kind]int32)
	newest := make(map[*knownSeries]int64)
	for _, b := range batches {
		zeros, hists := b.zeros, b.histograms
		for i, smp := range b.samples {
			last, seen := newest[smp.series]
			start, started := takeZero(&zeros, i)
			started = started && (!seen || start > last)
			if !seen || smp.t > last {
				newest[smp.series] = smp.t
			}
			k, v := kind{metric: smp.series.metric}, smp.v
			if h := takeHistogram(&hists, i); h != nil {
				k.histogram, v = true, float64(len(d.histograms))
				d.histograms = append(d.histograms, *h)
			}
			n, ok := bySlot[k]
			if !ok {
				n = int32(len(d.slots))
				bySlot[k] = n
				d.slots = append(d.slots, slot{metric: k.metric, histogram: k.histogram, id: ids[k.metric], minT: smp.t, maxT: smp.t})
			}
			d.count(n, smp.t)
			d.disorder(smp.series)
			d.samples = append(d.samples, draftSample{series: smp.series, t: smp.t, v: v, slot: n})
			if started {
				zero := draftSample{series: smp.series, t: start, slot: n, zero: true}
				if k.histogram {
					zero.v = v
				}
				d.zeros = append(d.zeros, zero)
			}
		}
	}
}

// settle brings the samples of irregular series into the order of time and
// leaves of several at one time only the last to arrive. A zero made of a start
// timestamp counts as the first to arrive. The samples of one
// flush have no order among themselves but that one, so what came out of order
// within the flush is not late.
func (d *draft) settle() {
	if len(d.irregular) == 0 {
		return
	}
	var places []int
	var found []draftSample
	for i := range d.samples {
		if _, ok := d.irregular[d.samples[i].series]; ok {
			places = append(places, i)
			found = append(found, d.samples[i])
		}
	}
	slices.SortStableFunc(found, func(a, b draftSample) int {
		if c := cmp.Compare(d.irregular[a.series], d.irregular[b.series]); c != 0 {
			return c
		}
		if c := cmp.Compare(a.t, b.t); c != 0 || a.zero == b.zero {
			return c
		}
		if a.zero {
			return -1
		}
		return 1
	})
	for i, place := range places {
		smp := found[i]
		if i+1 < len(found) && found[i+1].series == smp.series && found[i+1].t == smp.t {
			smp.series = nil
		}
		d.samples[place] = smp
	}
	clear(d.irregular)
}

// inject puts zeros at the start timestamps that are newer than every sample of
// their series, committed or earlier in the draft: where the series began, or
// began anew. It is Prometheus's rule for zero samples at start timestamps. Of a
// histogram the zero is an empty histogram of its kind. The series have their
// ids and bounds; the draft is settled, before and after. It returns how many
// zeros there are.
func (d *draft) inject(earliest int64) (n int, err error) {
	for _, z := range d.zeros {
		if z.t <= z.series.lastT || z.t < earliest {
			continue
		}
		if h := d.histogram(&z); h != nil {
			empty, err := nativehist.Zero(h.payload, h.sum)
			if err != nil {
				return 0, fmt.Errorf("start of %s: %w", z.series.spell(), err)
			}
			z.v = float64(len(d.histograms))
			d.histograms = append(d.histograms, nativeHistogram{payload: empty})
			d.payloads += len(empty)
		}
		d.count(z.slot, z.t)
		d.samples = append(d.samples, z)
		d.disorder(z.series)
		n++
	}
	if n > 0 {
		d.settle()
	}
	return n, nil
}

// refuseOutside leaves out the samples with a time before earliest or after
// latest and tells their requests. It is the exception: requests check against
// what is known of both before they come here.
func (d *draft) refuseOutside(earliest, latest int64, count func(Reason, int)) {
	outside := func(t int64) bool { return t < earliest || t > latest }
	if !slices.ContainsFunc(d.slots, func(sl slot) bool { return outside(sl.minT) || outside(sl.maxT) }) {
		return
	}
	for _, b := range d.batches {
		b.leaveOut(func(smp *batchSample) bool {
			if !outside(smp.t) {
				return false
			}
			reason := TooOld
			if smp.t > latest {
				reason = TooFarAhead
			}
			b.request.refuse(reason, 1, func() example {
				return example{series: smp.series.spell(), t: smp.t, hasT: true}
			})
			count(reason, 1)
			return true
		})
	}
	d.refill(d.batches)
}
