package ingest

import (
	"sync"

	"laminar/sequence"
	"laminar/sequence/segment"
)

// intake turns decoded time series into one batch per region, leaving out what
// is refused. It belongs to one request and is used again for later ones.
type intake struct {
	registry *registry
	limits   Limits
	earliest int64 // samples must lie in [earliest, latest], ms since the epoch
	latest   int64
	batches  []*batch // by region - 1, nil where nothing came
	samples  int      // accepted, histograms among them
	refused  refusals
	accepted tally // what is answered for as written though no flush counts it
	zeros    bool  // start timestamps are to become zeros
	badStart int   // start timestamps that cannot be
	verdicts haVerdicts
	metadata *metadataKeeper // nil when it is not kept
	now      int64           // the keeper's clock
	prev     *spelling       // of the time series before
	v1       v1Decoder
	v2       v2Decoder
	message  histogramMessage
	labels   []rawLabel
	scratch  []byte
	key      []byte
}

// tally counts the elements that remote write 2.0 asks to be confirmed.
type tally struct{ samples, histograms, exemplars int }

var intakePool = sync.Pool{New: func() any { return new(intake) }}

func newIntake(g *registry, regions int, limits Limits, earliest, latest int64) *intake {
	in := intakePool.Get().(*intake)
	in.registry, in.limits, in.earliest, in.latest = g, limits, earliest, latest
	in.samples, in.refused, in.accepted = 0, refusals{}, tally{}
	in.zeros, in.badStart = false, 0
	in.metadata = nil
	if len(in.batches) != regions {
		in.batches = make([]*batch, regions)
	}
	return in
}

// release gives the intake's memory back. Batches that were not handed to a
// buffer go with it.
func (in *intake) release() {
	for i, b := range in.batches {
		if b != nil {
			b.release()
			in.batches[i] = nil
		}
	}
	in.v1.reset(nil)
	clear(in.v1.series.histograms)
	in.v1.series = timeSeries{samples: in.v1.series.samples[:0], histograms: in.v1.series.histograms[:0]}
	in.v2.release()
	in.verdicts = haVerdicts{list: in.verdicts.list[:0]}
	clear(in.labels)
	in.registry, in.prev = nil, nil
	intakePool.Put(in)
}

// readV1 takes in a whole remote write 1.0 message. On an error nothing of it
// is to be written.
func (in *intake) readV1(body []byte) error {
	in.v1.reset(body)
	in.prev = nil
	in.v1.metadata = in.metadata
	for empty := true; ; empty = false {
		more, err := in.v1.next()
		if err != nil {
			return err
		}
		if !more {
			if empty && in.v1.foreign && in.v1.skipped == 0 {
				return errForeign
			}
			return nil
		}
		if err := in.addV1(&in.v1.series); err != nil {
			return err
		}
	}
}

// addV1 takes in one time series. Entries without samples (a stock Prometheus
// sends exemplars that way) are checked for being well formed and left.
func (in *intake) addV1(ts *timeSeries) error {
	table := in.registry.v1
	sp, hash := table.follow(in.prev, ts.labels)
	if sp == nil {
		var err error
		if in.labels, err = appendLabelsV1(in.labels[:0], ts.labels); err != nil {
			return err
		}
		if len(ts.samples)+len(ts.histograms) == 0 {
			return nil
		}
		var refused Reason
		sp, in.scratch, refused = in.registry.resolve(table, hash, ts.labels, in.labels, in.scratch)
		if refused != "" {
			in.refused.add(refused, len(ts.samples)+len(ts.histograms), func() example {
				return example{series: spell(in.labels)}
			})
			return nil
		}
	}
	in.prev = sp
	if sp.pair != 0 {
		if v, err := in.verdicts.of(sp.pair); err != nil || !v.elected {
			in.drop(v, len(ts.samples), len(ts.histograms), 0)
			return err
		}
	}
	s := sp.series
	in.add(s, ts.samples)
	for _, msg := range ts.histograms {
		if err := in.addHistogram(s, msg, 0); err != nil {
			return err
		}
	}
	return nil
}

// add puts samples of a series into its region's batch.
func (in *intake) add(s *knownSeries, samples []sample) {
	if len(samples) == 0 {
		return
	}
	b := in.batch(s.metric.region)
	for _, smp := range samples {
		if smp.t < in.earliest || smp.t > in.latest {
			in.refuseTime(s, smp.t)
			continue
		}
		b.samples = append(b.samples, batchSample{series: s, t: smp.t, v: smp.v})
		in.samples++
	}
}

// drop leaves out what comes from a replica that is not elected. It is answered
// for as written: the elected one brings the same.
func (in *intake) drop(v *haVerdict, samples, histograms, exemplars int) {
	if v == nil {
		return
	}
	v.dropped += samples + histograms
	in.accepted.add(tally{samples, histograms, exemplars})
}

// batch is what the request has for a region.
func (in *intake) batch(region sequence.Region) *batch {
	b := in.batches[region-1]
	if b == nil {
		b = newBatch(region)
		in.batches[region-1] = b
	}
	return b
}

// addHistogram puts a native histogram of a series into its region's batch, with
// its start timestamp, 0 for none. The error is that the message cannot be read;
// one that is not valid is refused.
func (in *intake) addHistogram(s *knownSeries, msg []byte, start int64) error {
	h := &in.message
	if err := h.read(msg); err != nil {
		return err
	}
	if h.t < in.earliest || h.t > in.latest {
		in.refuseTime(s, h.t)
		return nil
	}
	b := in.batch(s.metric.region)
	from := len(b.arena)
	var err error
	if b.arena, err = h.appendPayload(b.arena); err != nil {
		in.refused.add(InvalidHistogram, 1, func() example {
			return example{series: s.spell(), t: h.t, hasT: true, detail: err.Error()}
		})
		return nil //nolint:nilerr // this sample is refused, the request goes on
	}
	to := len(b.arena)
	b.samples = append(b.samples, batchSample{
		series: s, t: h.t, v: h.sum(), payload: b.addPayload(b.arena[from:to:to]), start: in.start(b, start, h.t),
	})
	in.samples++
	return nil
}

func (in *intake) refuseTime(s *knownSeries, t int64) {
	reason := TooOld
	switch {
	case t < 0 || t > segment.MaxTime:
		reason = TimeRange
	case t > in.latest:
		reason = TooFarAhead
	}
	in.refused.add(reason, 1, func() example {
		return example{series: s.spell(), t: t, hasT: true}
	})
}

// bytes is what all batches together count against the budget.
func (in *intake) bytes() (n int64) {
	for _, b := range in.batches {
		if b != nil {
			n += b.bytes()
		}
	}
	return n
}

// take hands over the batch of a region, nil when nothing came for it.
func (in *intake) take(region sequence.Region) *batch {
	b := in.batches[region-1]
	in.batches[region-1] = nil
	if b != nil && len(b.samples) == 0 {
		b.release()
		return nil
	}
	return b
}
