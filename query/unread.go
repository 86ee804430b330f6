package query

import (
	"context"
	"slices"

	"laminar/query/substitute"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// What a flow has not read of its metrics is known by segments: from their oldest sample to
// their newest. A few late samples, hours apart, would then keep a flow from answering for
// all of these hours, until it has read them. So their times are looked at where that costs
// little.
const (
	wideSpan    = 60_000  // ms that a segment spans, from which on its times are looked at
	mostUnread  = 200_000 // samples of which the times are looked at
	nearSamples = 15_000  // ms between samples whose times are taken for one stretch
)

// unread is the stretches of time that hold samples of the metrics which a flow at the
// vector has not read. They may be too wide, and are never too narrow.
func (s *substituting) unread(ctx context.Context, snap Snapshot, metrics map[sequence.MetricID]string, at sequence.Vector) ([]substitute.Unread, error) {
	ids := make([]sequence.MetricID, 0, len(metrics))
	for id := range metrics {
		ids = append(ids, id)
	}
	infos, err := snap.Infos(ctx, ids, at)
	if err != nil {
		return nil, err
	}
	wide, samples := false, int64(0)
	for i := range infos {
		if in := &infos[i]; !in.Sealed {
			wide, samples = wide || in.MaxT-in.MinT > wideSpan, samples+in.Samples
		}
	}
	look := wide && samples <= mostUnread
	var out []substitute.Unread
	for i := range infos {
		if in := &infos[i]; in.Sealed || !look {
			out = append(out, substitute.Unread{Metric: metrics[in.Metric], Span: in.Span()})
		}
	}
	if !look {
		return out, nil
	}
	times := map[sequence.MetricID][]sequence.Time{}
	ranges := map[sequence.Region]sequence.Range{}
	for _, r := range s.r.pos.Vector.Regions() {
		if rng := (sequence.Range{After: at.At(r), UpTo: s.r.pos.Vector.At(r)}); rng.After < rng.UpTo {
			ranges[r] = rng
		}
	}
	err = snap.ReadDelta(ctx, ids, ranges, segment.PickAll, func(seg *segment.Segment) error {
		for i := range seg.Len() {
			times[seg.Metric] = append(times[seg.Metric], seg.Time(i))
		}
		return nil
	})
	for id, list := range times {
		for _, span := range stretches(list) {
			out = append(out, substitute.Unread{Metric: metrics[id], Span: span})
		}
	}
	return out, err
}

// stretches is the times as stretches, which take in what lies between near ones.
func stretches(times []sequence.Time) (out []sequence.Span) {
	slices.Sort(times)
	for _, t := range times {
		if n := len(out); n > 0 && t-out[n-1].UpTo <= nearSamples {
			out[n-1].UpTo = t
		} else {
			out = append(out, sequence.Between(t, t))
		}
	}
	return out
}
