package ingest

import (
	"context"
	"hash/maphash"
	"sync"

	"github.com/prometheus/prometheus/model/histogram"

	"laminar/ingest/replica"
	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// Intake is one request on its way in: a protocol puts into it what it reads,
// series by series, and Commit lands it. What is refused is left out and told
// at the end; the rest of the request is stored.
//
// The order of calls, as a protocol makes them:
//
//	in := ingester.Begin(ctx)
//	defer in.End()
//	// ... receive the body ...
//	in.Received()
//	// ... Reserve the memory that decoding takes, and for every series:
//	sp, hash := table.Follow(prev, key)
//	if sp == nil {
//		sp, refused = in.Resolve(table, hash, key, labels)
//	}
//	if elected, err := in.Elected(sp, brought); elected {
//		in.Add(sp, samples, starts)
//	}
//	// ... and when all of it was read without an error:
//	outcome, err := in.Commit()
//
// A request that is not committed leaves nothing behind, so a message that turns
// out to be malformed at its end is refused as a whole.
//
// It belongs to one goroutine and is used again for later requests.
type Intake struct {
	g        *Ingester
	ctx      context.Context // the request's; elections end with it
	arrived  bool            // the traffic has been told
	earliest int64           // samples must lie in [earliest, latest], ms since the epoch
	latest   int64
	now      int64    // the metadata keeper's clock
	batches  []*batch // by region - 1, nil where nothing came
	samples  int      // accepted, histograms among them
	refused  refusals
	accepted Tally // what is answered for as written though no flush counts it
	badStart int   // start timestamps that cannot be
	verdicts replica.Verdicts
	scratch  []byte
}

// Sample is one float at one time.
type Sample struct {
	T int64 // milliseconds since the epoch
	V float64
}

var intakePool = sync.Pool{New: func() any { return new(Intake) }}

// Begin begins a request, before its body is read: flushes wait a moment for
// requests that are on their way. ctx ends with the request.
func (g *Ingester) Begin(ctx context.Context) *Intake {
	g.traffic.enter()
	in := intakePool.Get().(*Intake)
	in.g, in.ctx, in.arrived = g, ctx, false
	in.samples, in.refused, in.accepted, in.badStart = 0, refusals{}, Tally{}, 0
	if len(in.batches) != g.cfg.Regions {
		in.batches = make([]*batch, g.cfg.Regions)
	}
	return in
}

// Received says that the whole request has come. From here on the times of its
// samples are compared with what is known of the database's clock.
func (in *Intake) Received() {
	in.earliest, in.latest = in.g.clock.span(in.g.cfg.Limits.Ahead)
	if in.g.metadata != nil {
		in.now = in.g.metadata.Now()
	}
}

// End ends the request and gives its memory back. Batches that were not handed
// to a buffer go with it.
func (in *Intake) End() {
	g := in.g
	in.arrive()
	for i, b := range in.batches {
		if b != nil {
			b.release()
			in.batches[i] = nil
		}
	}
	in.verdicts = in.verdicts[:0]
	in.g, in.ctx = nil, nil
	intakePool.Put(in)
	g.traffic.leave()
}

// arrive says, once, that the request has put into the buffers what it had.
func (in *Intake) arrive() {
	if !in.arrived {
		in.arrived = true
		in.g.arrive()
	}
}

// Reserve counts n bytes of decoded request against the ingester's memory until
// Free. ErrBusy says that there is no room.
func (in *Intake) Reserve(n int64) error {
	if !in.g.budget.take(n) {
		return ErrBusy
	}
	return nil
}

// Free gives back what Reserve has counted.
func (in *Intake) Free(n int64) { in.g.budget.give(n) }

// Seed is the seed of the hashes that protocols make: of the keys of Candidates
// and of texts for metadata.Hash.
func (in *Intake) Seed() maphash.Seed { return in.g.registry.seed }

// Resolve finds or creates the series of a spelling that is not in its
// protocol's table. labels are what key decodes to; their order is changed. What
// it refuses is for the caller to pass on to Refuse.
func (in *Intake) Resolve(table *Spellings, hash uint32, key []byte, labels []series.RawLabel) (sp *Spelling, refused Reason) {
	sp, in.scratch, refused = in.g.registry.resolve(table, hash, key, labels, in.scratch)
	return sp, refused
}

// Metric is the name of the metric of labels whose series is not needed, and so
// not created. It checks them as Resolve does; their order is changed.
func (in *Intake) Metric(labels []series.RawLabel) (name string, refused Reason) {
	var metric []byte
	in.scratch, metric, refused = canonicalize(in.scratch[:0], labels, in.g.cfg.Limits)
	return string(metric), refused
}

// Elected reports whether what a sender brings for a series is to be stored:
// always, but where the spelling names a replica that is not elected. Then brought
// is answered for as written, because the elected replica brings the same. An
// error says that it is not known which replica is elected; the request is to be
// sent again.
func (in *Intake) Elected(sp *Spelling, brought Tally) (bool, error) {
	if sp.pair == 0 {
		return true, nil
	}
	return in.judge(sp.pair, brought)
}

func (in *Intake) judge(pair replica.PairID, brought Tally) (bool, error) {
	v, err := in.verdicts.Of(in.ctx, in.g.registry.replicas, pair)
	if err != nil {
		return false, err
	}
	if !v.Elected {
		v.Dropped += brought.Samples + brought.Histograms
		in.accepted.add(brought)
	}
	return v.Elected, nil
}

// Add puts samples of a series into its region's batch. starts is their start
// timestamps, milliseconds since the epoch and 0 where a sample has none; it is
// empty where none has.
func (in *Intake) Add(sp *Spelling, samples []Sample, starts []int64) {
	if len(samples) == 0 {
		return
	}
	s := sp.series
	b := in.batch(s.metric.region)
	if len(starts) > 0 && in.g.cfg.StartZeros {
		in.addStarted(b, s, samples, starts)
		return
	}
	before := len(b.samples)
	for i := range samples {
		smp := &samples[i]
		if smp.T < in.earliest || smp.T > in.latest {
			in.refuseTime(s, smp.T)
			continue
		}
		b.samples = append(b.samples, batchSample{series: s, t: smp.T, v: smp.V})
	}
	in.samples += len(b.samples) - before
}

// addStarted is Add for samples with start timestamps.
func (in *Intake) addStarted(b *batch, s *knownSeries, samples []Sample, starts []int64) {
	for i, smp := range samples {
		if smp.T < in.earliest || smp.T > in.latest {
			in.refuseTime(s, smp.T)
			continue
		}
		b.samples = append(b.samples, batchSample{series: s, t: smp.T, v: smp.V, start: in.start(b, starts[i], smp.T)})
		in.samples++
	}
}

// start puts the start timestamp of a sample at t into its batch and returns its
// number there, 0 where it has none. One that is not before its sample means
// nothing and is ignored, as in Prometheus.
func (in *Intake) start(b *batch, start, t int64) int32 {
	switch {
	case start == 0:
	case start < 0 || start >= t:
		in.badStart++
	case start >= in.earliest:
		return b.addStart(start)
	}
	return 0
}

// AddHistogram puts a native histogram of a series into its region's batch, with
// its start timestamp, 0 for none. One of ints and floats is nil, as in
// Prometheus's appenders. One that is not valid is refused.
func (in *Intake) AddHistogram(sp *Spelling, t, start int64, ints *histogram.Histogram, floats *histogram.FloatHistogram) {
	s := sp.series
	if t < in.earliest || t > in.latest {
		in.refuseTime(s, t)
		return
	}
	b := in.batch(s.metric.region)
	from := len(b.arena)
	var sum float64
	var err error
	if ints != nil {
		sum = ints.Sum
		b.arena, err = nativehist.Append(b.arena, ints)
	} else {
		sum = floats.Sum
		b.arena, err = nativehist.AppendFloat(b.arena, floats)
	}
	if err != nil {
		in.Refuse(InvalidHistogram, 1, func() Example { return Example{Series: s.spell(), t: t, hasT: true, Detail: err.Error()} })
		return
	}
	to := len(b.arena)
	if !in.g.cfg.StartZeros {
		start = 0
	}
	b.samples = append(b.samples, batchSample{
		series: s, t: t, v: sum, payload: b.addPayload(b.arena[from:to:to]), start: in.start(b, start, t),
	})
	in.samples++
}

// AcceptExemplars takes n exemplars that are not kept. Prometheus, too, answers
// for exemplars as written when it keeps none; else a sender would take every
// request with one for data loss.
func (in *Intake) AcceptExemplars(n int) { in.accepted.Exemplars += n }

// Refuse leaves out n samples for a reason. describe is called only where an
// example is wanted.
func (in *Intake) Refuse(reason Reason, n int, describe func() Example) {
	in.refused.add(reason, n, describe)
}

func (in *Intake) refuseTime(s *knownSeries, t int64) {
	reason := TooOld
	switch {
	case t < 0 || t > segment.MaxTime:
		reason = TimeRange
	case t > in.latest:
		reason = TooFarAhead
	}
	in.Refuse(reason, 1, func() Example { return Example{Series: s.spell(), t: t, hasT: true} })
}

// KeepsMetadata reports whether Describe does anything.
func (in *Intake) KeepsMetadata() bool { return in.g.metadata != nil }

// Describe takes what a sender says of a metric; hash is its metadata.Hash, of texts hashed
// with Seed. sp is
// a series of the metric, nil when none is known: with it, metadata that has been
// seen costs two loads.
func (in *Intake) Describe(sp *Spelling, metric string, hash uint64, kind int32, help, unit []byte) {
	if sp == nil {
		in.g.metadata.Take(metric, hash, in.now, kind, help, unit)
		return
	}
	m := sp.series.metric
	in.g.metadata.Offer(&m.described, m.name, hash, in.now, kind, help, unit)
}

// batch is what the request has for a region.
func (in *Intake) batch(region sequence.Region) *batch {
	b := in.batches[region-1]
	if b == nil {
		b = newBatch(region)
		in.batches[region-1] = b
	}
	return b
}

// bytes is what all batches together count against the budget.
func (in *Intake) bytes() (n int64) {
	for _, b := range in.batches {
		if b != nil {
			n += b.bytes()
		}
	}
	return n
}

// take hands over the batch of a region, nil when nothing came for it.
func (in *Intake) take(region sequence.Region) *batch {
	b := in.batches[region-1]
	in.batches[region-1] = nil
	if b != nil && len(b.samples) == 0 {
		b.release()
		return nil
	}
	return b
}
