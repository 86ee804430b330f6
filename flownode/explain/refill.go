package explain

import (
	"context"

	"laminar/flownode/flowdef"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// Reading is how much a refill reads of raw samples, about: samples of all series of the
// metrics that its leaves name, each once. Windows that are computed from several readings
// have some samples read twice.
type Reading struct{ Samples, Bytes int64 }

// MetricSnapshot is what Refill looks at.
type MetricSnapshot interface {
	Metrics(ctx context.Context, names []string, span sequence.Span) ([]series.Metric, error)
	Infos(ctx context.Context, metrics []sequence.MetricID, after sequence.Vector) ([]segment.Info, error)
}

// Refill is how much computing the windows of a flow with an end in the span reads. Of
// segments that only overlap what is read it takes a part, as if their samples were
// spread evenly.
func Refill(ctx context.Context, snap MetricSnapshot, def flowdef.Flow, ends sequence.Span) (out Reading, err error) {
	windows := def.Windows()
	first, last := windows.Next(ends.After), windows.Last(ends.UpTo)
	if first > last {
		return out, nil
	}
	spans := map[sequence.MetricID]sequence.Spans{}
	for i := range def.Expr.Leaves {
		l := &def.Expr.Leaves[i]
		span := l.Bounds(first).Join(l.Bounds(last))
		metrics, err := snap.Metrics(ctx, l.Names(), span)
		if err != nil {
			return out, err
		}
		for _, m := range metrics {
			spans[m.ID] = sequence.Union(append(spans[m.ID], span)...)
		}
	}
	if len(spans) == 0 {
		return out, nil
	}
	ids := make([]sequence.MetricID, 0, len(spans))
	for id := range spans {
		ids = append(ids, id)
	}
	infos, err := snap.Infos(ctx, ids, nil)
	if err != nil {
		return out, err
	}
	for i := range infos {
		in := &infos[i]
		whole := in.Span()
		length := float64(whole.UpTo - whole.After)
		for _, s := range spans[in.Metric] {
			if cut := whole.Cut(s); !cut.Empty() {
				part := float64(cut.UpTo-cut.After) / length
				out.Samples += int64(part*float64(in.Samples) + 0.5)
				out.Bytes += int64(part*float64(in.Bytes) + 0.5)
			}
		}
	}
	return out, nil
}
