package remotewrite

import (
	"cmp"

	"laminar/ingest"
	"laminar/ingest/metadata"
	"laminar/ingest/refusal"
	"laminar/ingest/registry"
)

// readV2 takes in a whole remote write 2.0 message. On an error nothing of it
// is to be written.
func (r *reader) readV2(body []byte) error {
	d := &r.v2
	d.in = r.in
	if err := d.reset(body, r.in.Seed()); err != nil {
		return err
	}
	empty := d.symbols.len() == 0
	for {
		more, err := d.next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		empty = false
		if err := r.addV2(&d.series); err != nil {
			return err
		}
	}
	if empty && d.foreign {
		return errForeign
	}
	return nil
}

// addV2 takes in one time series. Entries with only exemplars or metadata are
// accepted, though the protocol lets a receiver refuse them: a stock Prometheus
// sends exemplars that way, and would lose the batch. The error is one of an
// election, or that a histogram cannot be read.
func (r *reader) addV2(ts *timeSeriesV2) error {
	symbols := &r.v2.symbols
	if !symbols.has(ts.metadata.help) || !symbols.has(ts.metadata.unit) {
		r.refuseV2(ts, refusal.BadReferences, "in its metadata")
		return nil
	}
	sp, metric, ok := r.findV2(ts)
	if !ok {
		return nil
	}
	if sp != nil {
		brought := ingest.Tally{Samples: len(ts.samples), Histograms: len(ts.histograms), Exemplars: len(ts.exemplars)}
		if elected, err := r.in.Elected(sp, brought); !elected {
			return err
		}
	}
	for _, ex := range ts.exemplars {
		if r.labels, ok = symbols.appendLabels(r.labels[:0], r.v2.refs[ex.from:ex.to], r.in.LabelsWanted()); !ok {
			r.in.Refuse(refusal.BadReferences, 1, func() refusal.Example {
				return refusal.Example{Series: symbols.spell(ts.refs), Detail: "in an exemplar"}
			})
			continue
		}
		r.in.AcceptExemplars(1)
	}
	if sp != nil {
		if err := r.addSamplesV2(sp, ts); err != nil {
			return err
		}
	}
	if ts.metadata != (metadataV2{}) && r.in.KeepsMetadata() {
		m := ts.metadata
		hash := metadata.Hash(m.kind, symbols.hashOf(m.help), symbols.hashOf(m.unit))
		r.in.Describe(sp, metric, hash, m.kind, symbols.text(m.help), symbols.text(m.unit))
	}
	return nil
}

// addSamplesV2 takes in the samples and histograms of an entry.
func (r *reader) addSamplesV2(sp *registry.Spelling, ts *timeSeriesV2) error {
	if ts.created != 0 {
		if err := ts.createdAsStarts(r.in); err != nil {
			return err
		}
	}
	if err := r.in.Add(sp, ts.samples, ts.starts); err != nil {
		return err
	}
	for i := range ts.histograms {
		start := cmp.Or(ts.histograms[i].start, ts.created)
		if err := r.addHistogram(sp, ts.histograms[i].message, start); err != nil {
			return err
		}
	}
	return nil
}

// findV2 returns the series of an entry and the name of its metric. The series is
// nil when it is not known and the entry brings nothing to store. ok is false
// when the entry is refused.
func (r *reader) findV2(ts *timeSeriesV2) (sp *registry.Spelling, metric string, ok bool) {
	symbols := &r.v2.symbols
	hash, hashed := symbols.hash(ts.refs)
	if hashed {
		if sp := symbols.follow(r.table, r.prev, ts.refs, hash); sp != nil {
			r.prev = sp
			return sp, sp.Metric(), true
		}
	}
	if r.labels, ok = symbols.appendLabels(r.labels[:0], ts.refs, r.in.LabelsWanted()); !ok {
		r.refuseV2(ts, refusal.BadReferences, "")
		return nil, "", false
	}
	var refused refusal.Reason
	if len(ts.samples)+len(ts.histograms) == 0 {
		if metric, refused = r.in.Metric(r.labels); refused == "" {
			return nil, metric, true
		}
	} else if refused = r.in.Oversized(r.labels); refused == "" {
		r.key = symbols.appendKey(r.key[:0], ts.refs)
		if sp, refused = r.in.Resolve(r.table, hash, r.key, r.labels); refused == "" {
			return sp, sp.Metric(), true
		}
	}
	r.refuseV2(ts, refused, "")
	return nil, "", false
}

// refuseV2 refuses a whole entry; one that brings nothing counts as a sample,
// so that the sender is told.
func (r *reader) refuseV2(ts *timeSeriesV2, reason refusal.Reason, detail string) {
	n := max(1, len(ts.samples)+len(ts.histograms)+len(ts.exemplars))
	r.in.Refuse(reason, n, func() refusal.Example {
		return refusal.Example{Series: r.v2.symbols.spell(ts.refs), Detail: detail}
	})
}
