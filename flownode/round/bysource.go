package round

// Sources whose newest samples hold the watermark back.
// Before: members are complete at the round's vector.
// After: what the delta holds of each source is known to the flows that go by sources.

import (
	"context"
	"maps"

	"laminar/flownode/results"
	"laminar/flownode/sources"
)

// seeSources notes the delta's samples by source.
func (c *cohort) seeSources(ctx context.Context, r *round) error {
	var watched []sources.Watched
	for _, f := range c.flows {
		if f.sources != nil {
			watched = append(watched, sources.Watched{Sources: f.sources, Leaves: f.Leaves})
		}
	}
	if watched == nil {
		return nil
	}
	ranges := maps.Clone(c.after.Delta(r.Pos.Vector))
	delete(ranges, results.Region)
	return sources.See(ctx, r.Reader, r.cascade.Commits, ranges, watched)
}

// HeldBy is the source that held the flow's watermark in the last round, in words, and how
// far it is behind the newest source, ms; "" where none did.
func (f *Flow) HeldBy() (source string, behind int64) { return f.sources.HeldBy() }
