package ingest

import (
	"context"
	"errors"
	"hash/maphash"
	"strings"
	"testing"

	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"laminar/ingest/ingesttest"
	"laminar/ingest/metadata"
	"laminar/ingest/refusal"
	"laminar/ingest/registry"
	"laminar/sequence"
	"laminar/sequence/series"
)

type (
	key      = ingesttest.Key
	memStore = ingesttest.Store
)

// storeOf joins the store in memory to the interface that it serves.
type storeOf struct{ *memStore }

func (s storeOf) BeginFlush(ctx context.Context, region sequence.Region, id sequence.FlushID) (FlushTx, error) {
	tx, err := s.memStore.BeginFlush(ctx, region, id)
	if err != nil {
		return nil, err
	}
	return tx, nil
}

// entry is a series of a request, in the types of remote write 2.0, which have
// all there is; its labels and texts are not symbols.
type entry struct {
	labels []string // name, value, name, value ...
	series writev2.TimeSeries
	help   string
	unit   string
}

// ts makes an entry: labels as "name value" pairs, "-" for an empty one, then
// samples.
func ts(labels string, samples ...writev2.Sample) entry {
	list := strings.Fields(labels)
	for i, l := range list {
		if l == "-" {
			list[i] = ""
		}
	}
	return entry{labels: list, series: writev2.TimeSeries{Samples: samples}}
}

func at(t int64, v float64) writev2.Sample { return started(t, v, 0) }

func started(t int64, v float64, start int64) writev2.Sample {
	return writev2.Sample{Timestamp: t, Value: v, StartTimestamp: start}
}

var good = ts("__name__ up job a", at(1000, 1))

// put reads an entry into an intake, as a protocol does.
func (in *Intake) put(table *registry.Spellings, e entry) error {
	var key []byte
	var raw []series.RawLabel
	for i := 0; i < len(e.labels); i += 2 {
		raw = append(raw, series.RawLabel{Name: []byte(e.labels[i]), Value: []byte(e.labels[i+1])})
	}
	for _, l := range raw {
		key = append(append(append(append(key, l.Name...), 0xff), l.Value...), 0xff)
	}
	brought := Tally{Samples: len(e.series.Samples), Histograms: len(e.series.Histograms)}
	sp, hash := table.Follow(nil, key)
	if sp == nil {
		var refused refusal.Reason
		if sp, refused = in.Resolve(table, hash, key, raw); refused != "" {
			in.Refuse(refused, brought.Samples+brought.Histograms, func() refusal.Example { return refusal.Example{Series: refusal.Spell(raw)} })
			return nil
		}
	}
	if elected, err := in.Elected(sp, brought); !elected {
		return err
	}
	var samples []Sample
	var starts []int64
	for _, smp := range e.series.Samples {
		samples, starts = append(samples, Sample{smp.Timestamp, smp.Value}), append(starts, smp.StartTimestamp)
	}
	err := in.Add(sp, samples, starts)
	for _, h := range e.series.Histograms {
		if err != nil {
			return err
		}
		if h.IsFloatHistogram() {
			err = in.AddHistogram(sp, h.Timestamp, h.StartTimestamp, nil, h.ToFloatHistogram())
		} else {
			err = in.AddHistogram(sp, h.Timestamp, h.StartTimestamp, h.ToIntHistogram(), nil)
		}
	}
	if err != nil {
		return err
	}
	if in.KeepsMetadata() && (e.help != "" || e.unit != "" || e.series.Metadata.Type != 0) {
		in.describe(sp, sp.Metric(), int32(e.series.Metadata.Type), e.help, e.unit)
	}
	return nil
}

// describe says something of a metric, as a protocol does.
func (in *Intake) describe(sp *registry.Spelling, metric string, kind int32, help, unit string) {
	hash := metadata.Hash(kind, maphash.String(in.Seed(), help), maphash.String(in.Seed(), unit))
	in.Describe(sp, metric, hash, kind, []byte(help), []byte(unit))
}

// receiver is an ingester that runs over a store in memory.
type receiver struct {
	*Ingester
	table *registry.Spellings
	store *memStore
	t     testing.TB
}

func newReceiver(t testing.TB, store *memStore, cfg Config) *receiver {
	t.Helper()
	g := newTestIngester(t, storeOf{store}, cfg)
	return &receiver{Ingester: g, table: g.table(), store: store, t: t}
}

// openReceiver starts one; it ends with the test.
func openReceiver(t testing.TB, cfg Config, prepare func(*memStore)) *receiver {
	t.Helper()
	if cfg.Regions == 0 {
		cfg.Regions = 2
	}
	store := ingesttest.New(cfg.Regions)
	if prepare != nil {
		prepare(store)
	}
	d := newReceiver(t, store, cfg)
	d.start()
	return d
}

// start runs the ingester until the test ends.
func (d *receiver) start() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	d.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			d.t.Errorf("run: %v", err)
		}
	})
}

var (
	errRefused    = errors.New("refused")
	errNotElected = errors.New("not elected")
)

// post sends one request and returns when it is durable, or why it is not: besides
// Commit's errors errRefused, with examples, and errNotElected.
func (d *receiver) post(entries ...entry) error {
	_, err := d.send(entries...)
	return err
}

// send is post that tells how much is answered for as written.
func (d *receiver) send(entries ...entry) (written Tally, err error) {
	in, err := d.Begin(context.Background())
	if err != nil {
		return Tally{}, err
	}
	return d.land(in, entries...)
}

// land is send of a request that has begun, and ends it.
func (d *receiver) land(in *Intake, entries ...entry) (written Tally, err error) {
	defer in.End()
	in.Received()
	for _, e := range entries {
		if err := in.put(d.table, e); err != nil {
			return Tally{}, err
		}
	}
	out, err := in.Commit()
	switch {
	case err != nil:
		return out.Written, err
	case out.Refused > 0:
		return out.Written, &refusedError{out.Why}
	case out.NotElected:
		return out.Written, errNotElected
	}
	return out.Written, nil
}

// refusedError is errRefused with examples.
type refusedError struct{ why string }

func (e *refusedError) Error() string { return e.why }
func (e *refusedError) Unwrap() error { return errRefused }
