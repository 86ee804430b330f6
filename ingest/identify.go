package ingest

import (
	"context"
	"fmt"

	"laminar/ingest/registry"
	"laminar/sequence"
	"laminar/sequence/series"
)

// Ids for the names in a draft.
//
//	metrics   of all regions: before the lock, in a transaction of their own
//	series    of one region: with the lock, in the flush's transaction
//
// So a metric can exist without samples, which is harmless, and a series cannot. A
// metric can also be removed between the two, when it has no series: then the series
// are not created, and the draft begins again with new ids of metrics.
//
// After nameMetrics: every metric of the draft has id != 0. After findSeries: so has
// every series of it. Ids of series are real for good only once the flush has committed;
// on every other way out attempt takes them back.

// nameMetrics gives the metrics of the draft their ids. New metrics are created in
// a transaction of their own, before the region is locked: metrics belong to all
// regions, and no transaction may wait for another region's writer (I1). Ids that
// were not known are not remembered before a flush has used them.
func (f *flusher) nameMetrics(ctx context.Context, d *draft) error {
	var names []string
	var places []int
	for i := range d.metrics {
		m := &d.metrics[i]
		if m.id = f.known.metrics[m.metric.Name]; m.id == 0 || f.rename {
			names = append(names, m.metric.Name)
			places = append(places, i)
		}
	}
	f.rename = false
	if len(names) == 0 {
		return nil
	}
	ids, err := f.store.Metrics(ctx, names)
	if err != nil {
		return fmt.Errorf("name %d metrics: %w", len(names), err)
	}
	for i, place := range places {
		d.metrics[place].id = ids[i]
	}
	return nil
}

// findSeries creates or finds the series of the draft that have no id yet and
// returns them; they are provisional until the flush has committed. The region's
// lock is held, and a series belongs to one region, so no other writer creates the
// same series meanwhile.
func (f *flusher) findSeries(ctx context.Context, tx FlushTx, d *draft) ([]*registry.Series, error) {
	var found []*registry.Series
	var metrics []sequence.MetricID
	asked := make(map[*registry.Series]bool)
	for i := range d.samples {
		smp := &d.samples[i]
		if smp.series == nil || smp.series.ID != 0 || asked[smp.series] {
			continue
		}
		asked[smp.series] = true
		found = append(found, smp.series)
		metrics = append(metrics, d.metrics[smp.metric].id)
	}
	if len(found) == 0 {
		return nil, nil
	}
	request := make([]series.Wanted, len(found))
	for i, s := range found {
		canonical := s.Canonical()
		request[i] = series.Wanted{
			Metric: metrics[i],
			SHA256: series.Identity(canonical),
			Labels: series.ParseCanonical(string(canonical)),
		}
	}
	answers, err := tx.CreateSeries(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("create %d series: %w", len(found), err)
	}
	created := 0
	var bySender map[string]int64
	for i, s := range found {
		f.known.found(s, metrics[i], answers[i])
		if !answers[i].Created {
			continue
		}
		created++
		if s.Sender != 0 {
			if bySender == nil {
				bySender = make(map[string]int64)
			}
			bySender[f.registry.Senders.Name(s.Sender)]++
		}
	}
	if created > 0 {
		f.registry.NoteCreated(created)
		tx.Brought(bySender)
	}
	return found, nil
}
