package ingest

import (
	"cmp"
	"fmt"
	"slices"

	"laminar/ingest/refusal"
	"laminar/ingest/registry"
	"laminar/sequence"
	"laminar/sequence/nativehist"
)

// draft is the next flush of a region while it is being filled.
//
//	D1  at most one sample per (series, time) once it is settled: the last to
//	    arrive
//	D2  the samples of a series ascend in time once it is settled
//	D3  metrics[s.metric] is the metric of sample s, as floats where s.payload
//	    is 0, else as native histograms
//
// D1 and D2 hold from the start for series whose samples arrive in order. That is
// checked against the series itself, which carries the number of the draft that it
// was last in and its newest time there: a few nanoseconds, and no look-up. Series
// whose samples come out of order are listed as irregular, and settle puts them in
// order when the draft is flushed.
//
// A draft has two lives. While it stands in its buffer, requests add to it under
// the buffer's mutex, and the marks on series and metrics are its own. Once the
// flusher has taken it, the flusher alone changes it, and the marks belong to a
// later draft; so remake, which may run then, does without them.
type draft struct {
	number       uint32 // grows with every draft of the region; marks series and metrics
	samples      []draftSample
	metrics      []draftMetric
	payloads     [][]byte // of native histograms, in the memory of the batches
	payloadBytes int
	zeros        []draftSample            // that may be put before their samples, see inject
	irregular    map[*registry.Series]int // series whose samples did not arrive in order, numbered
	batches      []*batch
	unborn       map[*registry.Series]bool // series of samples that were left out, which no flush has stored
}

// draftSample is one sample of a draft; series is nil when another of the same
// series and time has taken its place. It takes 32 bytes, and a flush has up to
// hundreds of thousands.
type draftSample struct {
	series  *registry.Series
	t       int64   // milliseconds since the epoch
	v       float64 // of a native histogram its sum
	metric  int32   // metrics[metric] counts it
	payload int32   // of a native histogram: payloads[payload-1] is the rest of it; 0 for a float
}

// draftMetric counts the samples of one metric in a draft: its floats, or its
// native histograms. The counts are what the builder lays its arrays out by, so
// that samples can be written to their segments in one pass, in any order.
type draftMetric struct {
	metric     *registry.Metric
	histogram  bool
	id         sequence.MetricID // set by the flusher
	samples    int
	minT, maxT int64 // of all samples that came, replaced ones too
}

func (d *draft) reset(number uint32) {
	d.number = number
	clear(d.samples)
	clear(d.zeros)
	clear(d.metrics)
	clear(d.payloads)
	clear(d.batches)
	clear(d.irregular)
	d.samples, d.zeros, d.metrics, d.batches = d.samples[:0], d.zeros[:0], d.metrics[:0], d.batches[:0]
	d.payloads, d.payloadBytes, d.unborn = d.payloads[:0], 0, nil
}

// payload is what a native histogram has beside its sum, nil for a float.
func (d *draft) payload(smp *draftSample) []byte {
	if smp.payload == 0 {
		return nil
	}
	return d.payloads[smp.payload-1]
}

// size is how many samples the draft holds, for the decision whether it is full:
// 24 bytes of histograms count as one more.
func (d *draft) size() int { return len(d.samples) + d.payloadBytes/24 }

// add appends a batch. The caller holds the buffer's mutex, which guards the
// marks on series and metrics; revive replaces series that were forgotten
// since the batch looked them up.
//
// Of several samples of one series and time the last to arrive counts. Where that
// time is the series' newest in the draft, which is nearly always so, the sample is
// replaced at once; elsewhere settle finds both.
func (d *draft) add(b *batch, revive func(*registry.Series) *registry.Series) {
	before := d.hold(b)
	for i := range b.samples {
		smp := &b.samples[i]
		s := smp.series
		if s.Dead {
			s = revive(s)
			smp.series = s
		}
		mark, payload := &s.Metric.Floats, int32(0)
		if smp.payload != 0 {
			mark, payload = &s.Metric.Histograms, before+smp.payload
		}
		if mark.Draft != d.number {
			*mark = registry.DraftMark{Draft: d.number, Place: int32(len(d.metrics))}
			d.metrics = append(d.metrics, draftMetric{metric: s.Metric, histogram: payload != 0, minT: smp.t, maxT: smp.t})
		}
		d.metrics[mark.Place].count(smp.t)
		zero := smp.start != 0 && (s.Draft != d.number || b.starts[smp.start-1] > s.DraftT)
		if s.Draft == d.number && smp.t <= s.DraftT {
			if smp.t == s.DraftT { // the last to arrive wins
				old := &d.samples[s.DraftPos]
				old.v, old.metric, old.payload = smp.v, mark.Place, payload
				continue
			}
			d.disorder(s)
		} else {
			s.Draft, s.DraftT, s.DraftPos = d.number, smp.t, int32(len(d.samples))
		}
		d.samples = append(d.samples, draftSample{series: s, t: smp.t, v: smp.v, metric: mark.Place, payload: payload})
		if zero {
			d.addZero(b.starts[smp.start-1])
		}
	}
}

// hold makes a batch one of the draft's and makes room for its samples. Payloads
// stay in the memory of the batch, which lives until the flush has ended. It
// returns how many payloads there were before those of the batch: what is to be
// added to their numbers.
func (d *draft) hold(b *batch) int32 {
	d.batches = append(d.batches, b)
	d.samples = slices.Grow(d.samples, len(b.samples))
	before := int32(len(d.payloads))
	d.payloads = append(d.payloads, b.payloads...)
	d.payloadBytes += len(b.arena)
	return before
}

// addZero makes the last sample one that may get a zero at its start timestamp.
// Until it is injected, the zero of a histogram has the payload and the sum of
// its sample, which say of what kind it is to be.
func (d *draft) addZero(start int64) {
	zero := d.samples[len(d.samples)-1]
	zero.t = start
	d.zeros = append(d.zeros, zero)
}

// disorder makes a series irregular.
func (d *draft) disorder(s *registry.Series) {
	if d.irregular == nil {
		d.irregular = make(map[*registry.Series]int)
	}
	if _, ok := d.irregular[s]; !ok {
		d.irregular[s] = len(d.irregular)
	}
}

// count adds a sample at t.
func (m *draftMetric) count(t int64) {
	m.samples++
	m.minT, m.maxT = min(m.minT, t), max(m.maxT, t)
}

// remake makes the draft anew from the given batches, without the marks on
// series and metrics, which by now belong to a later draft. Every series counts
// as irregular until the draft is settled.
//
// It is for the exceptions: samples that a flush has to leave out, and requests
// that are written one by one because the database refused them together.
func (d *draft) remake(batches []*batch) {
	type kind struct {
		metric    *registry.Metric
		histogram bool
	}
	ids := make(map[*registry.Metric]sequence.MetricID, len(d.metrics))
	for _, m := range d.metrics {
		ids[m.metric] = m.id
	}
	batches = slices.Clone(batches) // they may be the draft's own
	d.reset(d.number)
	places := make(map[kind]int32)
	newest := make(map[*registry.Series]int64)
	for _, b := range batches {
		before := d.hold(b)
		for _, smp := range b.samples {
			k, payload := kind{metric: smp.series.Metric}, int32(0)
			if smp.payload != 0 {
				k.histogram, payload = true, before+smp.payload
			}
			place, ok := places[k]
			if !ok {
				place = int32(len(d.metrics))
				places[k] = place
				d.metrics = append(d.metrics, draftMetric{metric: k.metric, histogram: k.histogram, id: ids[k.metric], minT: smp.t, maxT: smp.t})
			}
			d.metrics[place].count(smp.t)
			last, seen := newest[smp.series]
			if !seen || smp.t > last {
				newest[smp.series] = smp.t
			}
			d.disorder(smp.series)
			d.samples = append(d.samples, draftSample{series: smp.series, t: smp.t, v: smp.v, metric: place, payload: payload})
			if smp.start != 0 && (!seen || b.starts[smp.start-1] > last) {
				d.addZero(b.starts[smp.start-1])
			}
		}
	}
}

// settle makes D1 and D2 hold: it brings the samples of irregular series into the
// order of time, in the places that these samples have, and leaves of several at
// one time only the last to arrive. The samples of one
// flush have no order among themselves but that one, so what came out of order
// within the flush is not late. zeros says how many of the samples, the last
// ones, are zeros that were just injected: they count as the first to arrive.
func (d *draft) settle(zeros int) {
	if len(d.irregular) == 0 {
		return
	}
	var places []int
	for i := range d.samples {
		if _, ok := d.irregular[d.samples[i].series]; ok {
			places = append(places, i)
		}
	}
	found := make([]draftSample, 0, len(places))
	arrived := len(places) - zeros
	for _, i := range places[arrived:] {
		found = append(found, d.samples[i])
	}
	for _, i := range places[:arrived] {
		found = append(found, d.samples[i])
	}
	slices.SortStableFunc(found, func(a, b draftSample) int {
		return cmp.Or(cmp.Compare(d.irregular[a.series], d.irregular[b.series]), cmp.Compare(a.t, b.t))
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
		if z.t <= z.series.LastT || z.t < earliest {
			continue
		}
		if z.payload != 0 {
			empty, err := nativehist.Zero(d.payload(&z), z.v)
			if err != nil {
				return 0, fmt.Errorf("start of %s: %w", z.series.Spell(), err)
			}
			d.payloads = append(d.payloads, empty)
			d.payloadBytes += len(empty)
			z.payload = int32(len(d.payloads))
		}
		z.v = 0
		d.metrics[z.metric].count(z.t)
		d.samples = append(d.samples, z)
		d.disorder(z.series)
		n++
	}
	if n > 0 {
		d.settle(n)
	}
	return n, nil
}

// refuseOutside leaves out the samples with a time that they may not have, and tells
// their requests. It is the
// exception: requests check against what is known of both before they come here,
// and only the flush, which reads the database's clock and what retention has given
// up in its own transaction, knows for certain.
func (d *draft) refuseOutside(bounds refusal.Times, count func(refusal.Reason, int)) {
	outside := func(t int64) bool { return !bounds.Hold(t) }
	if !slices.ContainsFunc(d.metrics, func(m draftMetric) bool { return outside(m.minT) || outside(m.maxT) }) {
		return
	}
	unborn := make(map[*registry.Series]bool)
	for _, b := range d.batches {
		b.leaveOut(func(smp *batchSample) bool {
			if !outside(smp.t) {
				return false
			}
			if smp.series.ID == 0 {
				unborn[smp.series] = true
			}
			reason := bounds.Reason(smp.t)
			b.request.refuse(reason, 1, func() refusal.Example {
				return refusal.Example{Series: smp.series.Spell(), T: smp.t, HasT: true}
			})
			count(reason, 1)
			return true
		})
	}
	d.remake(d.batches)
	d.unborn = unborn
}
