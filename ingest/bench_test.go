package ingest

import (
	"context"
	"fmt"
	"testing"

	"laminar/ingest/ingesttest"
	"laminar/ingest/refusal"
	"laminar/ingest/registry"
)

// The shape the figures of the documents are about: 10,000 series, 2,000 samples
// per request.
const (
	benchSeries  = 10_000
	benchRequest = 2_000
)

func perSample(b *testing.B, samples int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(samples), "ns/sample")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkDraft fills drafts of 10,000 samples.
func BenchmarkDraft(b *testing.B) {
	g, batches := benchBatches(b)
	var d draft
	epoch := uint32(0)
	b.ReportAllocs()
	for b.Loop() {
		epoch++
		d.reset(epoch)
		for _, bt := range batches {
			d.add(bt, g.registry.Revive)
		}
	}
	perSample(b, benchSeries)
}

// BenchmarkBuild decides the order and makes segments of 10,000 samples.
func BenchmarkBuild(b *testing.B) {
	g, batches := benchBatches(b)
	f := g.flushers[0]
	var d draft
	d.reset(1)
	for _, bt := range batches {
		d.add(bt, g.registry.Revive)
	}
	tx, err := f.store.BeginFlush(context.Background(), 1, [16]byte{1})
	if err != nil {
		b.Fatal(err)
	}
	if err := f.nameMetrics(context.Background(), &d); err != nil {
		b.Fatal(err)
	}
	found, err := f.findSeries(context.Background(), tx, &d)
	if err != nil {
		b.Fatal(err)
	}
	fl := tx.Flush()
	b.ReportAllocs()
	for b.Loop() {
		if segs := f.builder.build(&d, fl); len(segs) != 100 {
			b.Fatalf("%d segments", len(segs))
		}
		f.known.apply(fl, &d, found, 0)
		for i := range d.samples {
			d.samples[i].series.LastT = registry.NoSample
		}
	}
	perSample(b, benchSeries)
}

// benchBatches makes the batches of one scrape of a fleet, which holds every
// series once, for one region.
func benchBatches(b *testing.B) (*Ingester, []*batch) {
	b.Helper()
	d := newReceiver(b, ingesttest.New(1), Config{})
	var batches []*batch
	for from := 0; from < benchSeries; from += benchRequest {
		in, err := d.Begin(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		in.times = refusal.AnyTime()
		for i := from; i < from+benchRequest; i++ {
			e := ts(fmt.Sprintf("__name__ node_metric_%d_total cpu %d instance host-%d.example.org:9100 job node mode idle", i/50%100, i%50, i/5000),
				at(1_700_000_000_000, float64(i)*1.5))
			if err := in.put(d.table, e); err != nil {
				b.Fatal(err)
			}
		}
		batches = append(batches, in.batches.take(1))
		in.End()
	}
	return d.Ingester, batches
}
