package ingest

import "cmp"

// readV2 takes in a whole remote write 2.0 message. On an error nothing of it
// is to be written.
func (in *intake) readV2(body []byte) error {
	d := &in.v2
	in.prev = nil
	if err := d.reset(body, in.registry.seed); err != nil {
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
		if err := in.addV2(&d.series); err != nil {
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
func (in *intake) addV2(ts *timeSeriesV2) error {
	symbols := &in.v2.symbols
	if !symbols.has(ts.metadata.help) || !symbols.has(ts.metadata.unit) {
		in.refuseV2(ts, BadReferences, "in its metadata")
		return nil
	}
	s, metric, pair, ok := in.findV2(ts)
	if !ok {
		return nil
	}
	if pair != 0 {
		if v, err := in.verdicts.of(pair); err != nil || !v.elected {
			in.drop(v, len(ts.samples), len(ts.histograms), len(ts.exemplars))
			return err
		}
	}
	if in.metadata != nil && ts.metadata != (metadataV2{}) {
		in.describe(s, metric, ts.metadata)
	}
	for _, ex := range ts.exemplars {
		if in.labels, ok = symbols.appendLabels(in.labels[:0], in.v2.refs[ex.from:ex.to]); !ok {
			in.refused.add(BadReferences, 1, func() example {
				return example{series: symbols.spell(ts.refs), detail: "in an exemplar"}
			})
			continue
		}
		// Taken and not kept. Prometheus, too, answers for exemplars as
		// written when it keeps none; else a sender would take every request
		// with one for data loss.
		in.accepted.exemplars++
	}
	if s == nil {
		return nil
	}
	if in.zeros && (len(ts.starts) > 0 || ts.created != 0) {
		in.addStarted(s, ts)
	} else {
		in.add(s, ts.samples)
	}
	for i := range ts.histograms {
		start := int64(0)
		if in.zeros {
			start = cmp.Or(ts.histograms[i].start, ts.created)
		}
		if err := in.addHistogram(s, ts.histograms[i].message, start); err != nil {
			return err
		}
	}
	return nil
}

// describe passes on what an entry says of its metric; s is nil when the series
// is not known.
func (in *intake) describe(s *knownSeries, metric string, m metadataV2) {
	symbols := &in.v2.symbols
	hash := hashMetadata(m.kind, symbols.hashOf(m.help), symbols.hashOf(m.unit))
	if s == nil {
		in.metadata.take(metric, hash, in.now, m.kind, symbols.text(m.help), symbols.text(m.unit))
		return
	}
	in.metadata.offer(s.metric, hash, in.now, m.kind, symbols, m.help, m.unit)
}

// start puts the start timestamp of a sample at t into its batch and returns its
// number there, 0 where it has none. One that is not before its sample means
// nothing and is ignored, as in Prometheus.
func (in *intake) start(b *batch, start, t int64) int32 {
	switch {
	case start == 0:
	case start < 0 || start >= t:
		in.badStart++
	case start >= in.earliest:
		return b.addStart(start)
	}
	return 0
}

// addStarted is add for samples with start timestamps.
func (in *intake) addStarted(s *knownSeries, ts *timeSeriesV2) {
	if len(ts.samples) == 0 {
		return
	}
	b := in.batch(s.metric.region)
	for i, smp := range ts.samples {
		if smp.t < in.earliest || smp.t > in.latest {
			in.refuseTime(s, smp.t)
			continue
		}
		start := ts.created
		if len(ts.starts) > 0 && ts.starts[i] != 0 {
			start = ts.starts[i]
		}
		b.samples = append(b.samples, batchSample{series: s, t: smp.t, v: smp.v, start: in.start(b, start, smp.t)})
		in.samples++
	}
}

// findV2 returns the series of an entry, the name of its metric and who sent it.
// The series is nil when it is not known and the entry brings nothing to store.
// ok is false when the entry is refused.
func (in *intake) findV2(ts *timeSeriesV2) (s *knownSeries, metric string, pair pairID, ok bool) {
	table, symbols := in.registry.v2, &in.v2.symbols
	hash, hashed := symbols.hash(ts.refs)
	if hashed {
		if sp := table.followRefs(in.prev, symbols, ts.refs, hash); sp != nil {
			in.prev = sp
			return sp.series, sp.series.metric.name, sp.pair, true
		}
	}
	if in.labels, ok = symbols.appendLabels(in.labels[:0], ts.refs); !ok {
		in.refuseV2(ts, BadReferences, "")
		return nil, "", 0, false
	}
	var refused Reason
	if len(ts.samples)+len(ts.histograms) == 0 {
		var name []byte
		if in.scratch, name, refused = canonicalize(in.scratch[:0], in.labels, in.limits); refused == "" {
			return nil, string(name), 0, true
		}
	} else {
		in.key = symbols.appendKey(in.key[:0], ts.refs)
		var sp *spelling
		if sp, in.scratch, refused = in.registry.resolve(table, hash, in.key, in.labels, in.scratch); refused == "" {
			return sp.series, sp.series.metric.name, sp.pair, true
		}
	}
	in.refuseV2(ts, refused, "")
	return nil, "", 0, false
}

// refuseV2 refuses a whole entry; one that brings nothing counts as a sample,
// so that the sender is told.
func (in *intake) refuseV2(ts *timeSeriesV2, reason Reason, detail string) {
	n := max(1, len(ts.samples)+len(ts.histograms)+len(ts.exemplars))
	in.refused.add(reason, n, func() example {
		return example{series: in.v2.symbols.spell(ts.refs), detail: detail}
	})
}
