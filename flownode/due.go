package flownode

import (
	"context"
	"fmt"

	"laminar/flownode/read"
)

// due decides, in the round's snapshot, whether a trigger that counts what is
// pending has been reached. Other triggers are due whenever a round begins, and
// so is a group that has refill jobs.
func (g *fenceGroup) due(ctx context.Context, r *read.Reader, jobs int) (bool, error) {
	if jobs > 0 || !g.trigger.counts() || g.pressing(r) {
		return true, nil
	}
	def := g.trigger.def
	var pending int64
	for _, f := range g.flows {
		if f.run == nil || f.run.MembersAt == nil {
			return true, nil // its first round
		}
		if def.Sequences > 0 {
			var n int64
			for _, rng := range f.run.Vector.Delta(r.Pos.Vector) {
				n += rng.Len()
			}
			pending = max(pending, n)
			continue
		}
		metrics := f.run.Leaves.Metrics()
		if len(metrics) == 0 {
			return true, nil
		}
		infos, err := r.Infos(ctx, metrics, f.run.Vector)
		if err != nil {
			return false, fmt.Errorf("count pending samples of %s: %w", f.run.Def.Name, err)
		}
		var n int64
		for i := range infos {
			n += infos[i].Samples
		}
		pending = max(pending, n)
	}
	return pending >= max(def.Samples, def.Sequences), nil
}

// pressing reports whether a round is needed whatever is pending: dirty windows
// are ready, or the watermark follows the clock past the end of a window.
func (g *fenceGroup) pressing(r *read.Reader) bool {
	for _, f := range g.flows {
		if at := f.deadline(); at >= 0 && at <= r.Pos.Now {
			return true
		}
	}
	return false
}
