package ingest

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/histogram"

	"laminar/ingest/budget"
	"laminar/ingest/refusal"
	"laminar/ingest/registry"
	"laminar/ingest/replica"
	"laminar/sequence/nativehist"
	"laminar/sequence/series"
)

// Intake is one request on its way in: a protocol puts into it what it reads,
// series by series, and Commit lands it. What is refused is left out and told
// at the end; the rest of the request is stored.
//
// The order of calls, as a protocol makes them:
//
//	in, err := ingester.Begin(ctx)
//	defer in.End()
//	// ... receive the body ...
//	in.Received()
//	// ... Reserve the memory that the body and its decoding take, and for every series:
//	sp, hash := table.Follow(prev, key)
//	if sp == nil {
//		sp, refused = in.Resolve(table, hash, key, labels)
//	}
//	if elected, err := in.Elected(sp, brought); elected {
//		err = in.Add(sp, samples, starts)
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
	times    refusal.Times   // what samples may have, as far as is known
	now      int64           // the metadata keeper's clock
	batches  batches
	samples  int         // accepted, histograms among them
	hold     budget.Hold // of the ingester's memory
	refused  refusal.Collected
	accepted Tally // what is answered for as written though no flush counts it
	badStart int   // start timestamps that cannot be
	leftOut  []int // samples and histograms by rule of relabelling - 1
	verdicts replica.Verdicts
	fresh    registry.Candidate // of the last Resolve
	scratch  []byte
}

// Sample is one float at one time.
type Sample struct {
	T int64 // milliseconds since the epoch
	V float64
}

var intakePool = sync.Pool{New: func() any { return new(Intake) }}

// Begin begins a request, before its body is read: flushes wait a moment for
// requests that are on their way. ctx ends with the request. budget.ErrBusy says that as
// many are under way as may be, or that they leave no memory for another.
func (g *Ingester) Begin(ctx context.Context) (*Intake, error) {
	if g.requests.Add(1) > int64(g.cfg.MaxRequests) {
		g.requests.Add(-1)
		return nil, fmt.Errorf("%w: %d requests, the most that are allowed", budget.ErrBusy, g.cfg.MaxRequests)
	}
	hold, err := g.budget.Begin()
	if err != nil {
		g.requests.Add(-1)
		return nil, err
	}
	g.traffic.enter()
	in := intakePool.Get().(*Intake)
	in.g, in.ctx, in.arrived = g, ctx, false
	in.fresh.Sender = g.registry.Senders.Number(senderOf(ctx))
	in.samples, in.refused, in.accepted, in.badStart = 0, refusal.Collected{}, Tally{}, 0
	in.hold = hold
	in.leftOut = append(in.leftOut[:0], g.none...)
	if len(in.batches) != g.cfg.Regions {
		in.batches = make(batches, g.cfg.Regions)
	}
	return in, nil
}

// senderKey is the context's key of who sends a request.
type senderKey struct{}

// WithSender says who sends the request that ctx belongs to: a login, or an address.
// Series that the request creates are counted for the sender.
func WithSender(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, senderKey{}, name)
}

func senderOf(ctx context.Context) string {
	name, _ := ctx.Value(senderKey{}).(string)
	return name
}

// Received says that the whole request has come. From here on the times of its
// samples are compared with what is known of the database's clock.
func (in *Intake) Received() {
	in.times = in.g.clock.span(in.g.cfg.Limits)
	if in.g.metadata != nil {
		in.now = in.g.metadata.Now()
	}
}

// End ends the request and gives its memory back. Batches that were not handed
// to a buffer go with it.
func (in *Intake) End() {
	g := in.g
	in.arrive()
	in.batches.release()
	in.verdicts = in.verdicts[:0]
	in.hold.End()
	in.g, in.ctx = nil, nil
	intakePool.Put(in)
	g.traffic.leave()
	g.requests.Add(-1)
}

// arrive says, once, that the request has put into the buffers what it had.
func (in *Intake) arrive() {
	if !in.arrived {
		in.arrived = true
		in.g.arrive()
	}
}

// Reserve counts n bytes that the request holds against the ingester's memory
// until Free, or until it ends. budget.ErrBusy says that there is no room,
// budget.ErrTooLarge that there never is for a request of its size.
func (in *Intake) Reserve(n int64) error { return in.hold.Reserve(n) }

// Free gives back what Reserve has counted.
func (in *Intake) Free(n int64) { in.hold.Free(n) }

// Seed is the seed of the hashes that protocols make: of the keys of Candidates
// and of texts for metadata.Hash.
func (in *Intake) Seed() maphash.Seed { return in.g.registry.Seed }

// Resolve finds the series of a spelling that is not in its protocol's table. labels
// are what key decodes to; their order is changed. What it refuses is for the
// caller to pass on to Refuse.
//
// A series that is not known is created by the first of its samples that is added
// and not refused. So the samples of a spelling are added before the next one is
// resolved, and while the labels stand in memory.
func (in *Intake) Resolve(table *registry.Spellings, hash uint32, key []byte, labels []series.RawLabel) (sp *registry.Spelling, refused refusal.Reason) {
	if refused = in.g.registry.Resolve(&in.fresh, table, hash, key, labels); refused != "" {
		return nil, refused
	}
	if rule := in.fresh.Spelling.Fate.LeftOutBy(); rule != 0 {
		in.g.Recent.LeftOut(time.Now(), senderOf(in.ctx), rule, refusal.Spell(labels))
	}
	return in.fresh.Spelling, ""
}

// Oversized says which limit the labels of a series exceed so far that there is no
// need to look at them, "" for none. It is for protocols whose messages name one
// text many times: a key of such labels may take more memory than the message.
func (in *Intake) Oversized(labels []series.RawLabel) refusal.Reason {
	l := &in.g.cfg.Limits
	if len(labels) > in.LabelsWanted() {
		return refusal.TooManyLabels
	}
	size := 0
	for _, lb := range labels {
		size += len(lb.Name) + len(lb.Value)
	}
	if size > 2*l.LabelBytes { // the replica's label has a limit of its own
		return refusal.LabelsTooLong
	}
	return ""
}

// LabelsWanted is how many labels of a series a protocol has to read at most: two
// more than are accepted, of which one may name a replica and the other makes them
// too many.
func (in *Intake) LabelsWanted() int { return in.g.cfg.Limits.Labels + 2 }

// Metric is the name of the metric of labels whose series is not needed, and so
// not created; "" where relabelling leaves the series out. It checks them as Resolve does;
// their order is changed.
func (in *Intake) Metric(labels []series.RawLabel) (name string, refused refusal.Reason) {
	if in.g.registry.Relabel != nil {
		name, leftOut, refused := in.g.registry.Relabelled(labels)
		if leftOut {
			name = ""
		}
		return name, refused
	}
	var metric []byte
	in.scratch, metric, refused = refusal.Canonical(in.scratch[:0], labels, in.g.cfg.Limits)
	return string(metric), refused
}

// Elected reports whether what a sender brings for a series is to be stored:
// always, but where the spelling names a replica that is not elected, or where
// relabelling leaves the series out. Then brought is answered for as written: the elected
// replica brings the same, and what is left out is not wanted. An
// error says that it is not known which replica is elected; the request is to be
// sent again.
func (in *Intake) Elected(sp *registry.Spelling, brought Tally) (bool, error) {
	if sp.Fate == 0 {
		return true, nil
	}
	return in.judge(sp.Fate, brought)
}

func (in *Intake) judge(fate registry.Fate, brought Tally) (bool, error) {
	if rule := fate.LeftOutBy(); rule != 0 {
		in.leftOut[rule-1] += brought.Samples + brought.Histograms
		in.accepted.add(brought)
		return false, nil
	}
	pair := fate.Pair()
	v, err := in.verdicts.Of(in.ctx, in.g.registry.Replicas, pair)
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
// empty where none has. The error is budget.ErrBusy.
func (in *Intake) Add(sp *registry.Spelling, samples []Sample, starts []int64) error {
	if len(samples) == 0 {
		return nil
	}
	if err := in.hold.Charge(int64(len(samples)+len(starts)) * bytesPerSample); err != nil {
		return err
	}
	if sp.Series == nil && !in.admit(sp, samples) {
		return nil
	}
	s := sp.Series
	b := in.batches.of(s.Metric.Region)
	if len(starts) > 0 && in.g.cfg.StartZeros {
		in.addStarted(b, sp, samples, starts)
		return nil
	}
	before := len(b.samples)
	for i := range samples {
		smp := &samples[i]
		if !in.times.Hold(smp.T) {
			in.refuseTime(sp, smp.T)
			continue
		}
		b.samples = append(b.samples, batchSample{series: s, t: smp.T, v: smp.V})
	}
	in.samples += len(b.samples) - before
	return nil
}

// admit lets the series of a spelling in that is not known, if one of its samples
// is not refused. Otherwise it refuses them all.
func (in *Intake) admit(sp *registry.Spelling, samples []Sample) bool {
	var refused refusal.Reason
	for i := range samples {
		if in.times.Hold(samples[i].T) {
			if refused = in.g.registry.Register(&in.fresh); refused == "" {
				return true
			}
			break
		}
	}
	for i := range samples {
		if t := samples[i].T; !in.times.Hold(t) {
			in.refuseTime(sp, t)
		} else {
			in.Refuse(refused, 1, func() refusal.Example { return refusal.Example{Series: sp.Spell()} })
		}
	}
	return false
}

// addStarted is Add for samples with start timestamps.
func (in *Intake) addStarted(b *batch, sp *registry.Spelling, samples []Sample, starts []int64) {
	for i, smp := range samples {
		if !in.times.Hold(smp.T) {
			in.refuseTime(sp, smp.T)
			continue
		}
		b.samples = append(b.samples, batchSample{series: sp.Series, t: smp.T, v: smp.V, start: in.start(b, starts[i], smp.T)})
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
	case start >= in.times.Earliest:
		return b.addStart(start)
	}
	return 0
}

// AddHistogram puts a native histogram of a series into its region's batch, with
// its start timestamp, 0 for none. One of ints and floats is nil, as in
// Prometheus's appenders. One that is not valid is refused. The error is budget.ErrBusy.
func (in *Intake) AddHistogram(sp *registry.Spelling, t, start int64, ints *histogram.Histogram, floats *histogram.FloatHistogram) error {
	if !in.times.Hold(t) {
		in.refuseTime(sp, t)
		return nil
	}
	region := in.fresh.Region
	if sp.Series != nil {
		region = sp.Series.Metric.Region
	}
	b := in.batches.of(region)
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
		in.Refuse(refusal.InvalidHistogram, 1, func() refusal.Example {
			return refusal.Example{Series: sp.Spell(), T: t, HasT: true, Detail: err.Error()}
		})
		return nil //nolint:nilerr // the sample is refused, the request goes on
	}
	to := len(b.arena)
	if err := in.hold.Charge(2*bytesPerSample + bytesPerPayload + 3*int64(to-from)); err != nil {
		return err
	}
	if sp.Series == nil {
		if refused := in.g.registry.Register(&in.fresh); refused != "" {
			b.arena = b.arena[:from]
			in.Refuse(refused, 1, func() refusal.Example { return refusal.Example{Series: sp.Spell(), T: t, HasT: true} })
			return nil
		}
	}
	if !in.g.cfg.StartZeros {
		start = 0
	}
	b.samples = append(b.samples, batchSample{
		series: sp.Series, t: t, v: sum, payload: b.addPayload(b.arena[from:to:to]), start: in.start(b, start, t),
	})
	in.samples++
	return nil
}

// AcceptExemplars takes n exemplars that are not kept. Prometheus, too, answers
// for exemplars as written when it keeps none; else a sender would take every
// request with one for data loss.
func (in *Intake) AcceptExemplars(n int) { in.accepted.Exemplars += n }

// Refuse leaves out n samples for a reason. describe is called only where an
// example is wanted.
func (in *Intake) Refuse(reason refusal.Reason, n int, describe func() refusal.Example) {
	in.refused.Add(reason, n, describe)
}

func (in *Intake) refuseTime(sp *registry.Spelling, t int64) {
	in.Refuse(in.times.Reason(t), 1, func() refusal.Example { return refusal.Example{Series: sp.Spell(), T: t, HasT: true} })
}

// KeepsMetadata reports whether Describe does anything.
func (in *Intake) KeepsMetadata() bool { return in.g.metadata != nil }

// Describe takes what a sender says of a metric; hash is its metadata.Hash, of texts hashed
// with Seed. sp is a series of the metric whose samples have been added, nil when
// it brought none: with it, metadata that has been seen costs two loads. Nothing is
// taken with a series whose samples were all refused, or of a metric without a name.
func (in *Intake) Describe(sp *registry.Spelling, metric string, hash uint64, kind int32, help, unit []byte) {
	if sp == nil {
		if metric == "" {
			return
		}
		in.g.metadata.Take(metric, hash, in.now, kind, help, unit)
		return
	}
	if sp.Series == nil {
		return
	}
	m := sp.Series.Metric
	in.g.metadata.Offer(&m.Described, m.Name, hash, in.now, kind, help, unit)
}
