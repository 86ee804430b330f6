package flownode

import (
	"context"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"laminar/flownode/flowdef"
	"laminar/sequence"
)

// trigger says when a group's next round may begin.
type trigger struct {
	def  flowdef.Trigger
	cron cron.Schedule // nil without a cron expression
}

func newTrigger(def flowdef.Trigger) (trigger, error) {
	t := trigger{def: def}
	if def.Cron != "" {
		var err error
		// Only the parser is used: the library's runner has a clock and
		// goroutines of its own.
		if t.cron, err = cron.ParseStandard(def.Cron); err != nil {
			return t, fmt.Errorf("trigger: cron %q: %w", def.Cron, err)
		}
	}
	return t, nil
}

// pollEvery is how often triggers that count samples or sequences look.
const pollEvery = time.Second

// next is the earliest time of the next round, given when the last one began.
func (t trigger) next(last time.Time) time.Time {
	switch {
	case t.cron != nil:
		return t.cron.Next(last)
	case t.def.Interval > 0:
		return last.Add(time.Duration(t.def.Interval) * time.Millisecond)
	default:
		return last.Add(pollEvery)
	}
}

// due decides, in the round's snapshot, whether a trigger that counts what is
// pending has been reached. Other triggers are due whenever a round begins, and
// so is a group that has refill jobs.
func (g *group) due(ctx context.Context, r *round, jobs int) (bool, error) {
	def := g.trigger.def
	if jobs > 0 || g.trigger.cron != nil || def.Samples == 0 && def.Sequences == 0 || g.pressing(r) {
		return true, nil
	}
	var pending int64
	for _, f := range g.flows {
		if f.membersAt == nil {
			return true, nil // its first round
		}
		if def.Sequences > 0 {
			var n int64
			for _, rng := range f.flow.Vector.Delta(r.pos.Vector) {
				n += rng.Len()
			}
			pending = max(pending, n)
			continue
		}
		var n int64
		var metrics []sequence.MetricID
		for _, l := range f.leaves {
			metrics = append(metrics, l.Members.Metrics...)
		}
		if len(metrics) == 0 {
			return true, nil
		}
		infos, err := r.snap.Infos(ctx, metrics, f.flow.Vector)
		if err != nil {
			return false, fmt.Errorf("count pending samples of %s: %w", f.flow.Def.Name, err)
		}
		for i := range infos {
			n += infos[i].Samples
		}
		pending = max(pending, n)
	}
	return pending >= max(def.Samples, def.Sequences), nil
}

// pressing reports whether a round is needed whatever is pending: dirty windows
// are ready, or the watermark follows the clock past the end of a window.
func (g *group) pressing(r *round) bool {
	for _, f := range g.flows {
		if at := f.deadline(); at >= 0 && at <= r.pos.Now {
			return true
		}
	}
	return false
}
