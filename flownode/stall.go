package flownode

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"laminar/flownode/progress"
	"laminar/flownode/round"
	"laminar/sequence"
)

// Flows that stand still, and where that is shown.
//
// The table of a flow that does not move looks whole and is old. So the reason is
// written wherever users look: to the catalogue, to metrics and to the log. The next
// round that succeeds takes it back.
//
//	the flow cannot be taken over    its own fault: noted at once
//	its results are refused          the same
//	the round fails                  noted for all flows of the round once it lasts
//	the database cannot be written   only in metrics and log; readers see that the
//	                                 flow has not been moved (queries/flow, status_flows)
//
// A fault of one flow must not hold up its neighbours. A flow that has failed is
// computed and committed apart from the others until it succeeds once.

const (
	// retryAfter is how long a group waits after a round that failed: long enough not
	// to flood a database that is starting, short beside what people wait for.
	retryAfter = time.Second
	// stallAfter is how long a failure that may pass by itself lasts before it is
	// noted in the catalogue.
	stallAfter = 5 * time.Second
	// stallAgain is how often it is noted again that a flow still stands.
	stallAgain = 3 * time.Second
	// stallTimeout bounds the writing of it, which must not hold up rounds.
	stallTimeout = 2 * time.Second
)

// failure is why a flow stands still.
type failure struct {
	since  time.Time // this process's clock
	err    error     // nil while the flow moves
	passes bool      // it may pass by itself, so it is noted only when it lasts
	noted  time.Time // when the catalogue was told; zero when it has not been
	told   string    // what it was told
}

// stands notes that a flow does not move, and since when: a later failure keeps the
// time of the first. passes says that the reason may go away by itself. The
// catalogue is told by report.
func (g *fenceGroup) stands(id progress.FlowID, f *owned, err error, passes bool) {
	if f.fails.since.IsZero() {
		f.fails.since = g.cfg.Now()
	}
	f.fails.err, f.fails.passes = err, passes
	g.standing.stands(id, f.fails.since)
}

// setAside takes a flow that has failed by itself out of the rounds of the others.
// It is not tried at all before takeAgainAfter has passed, or retryAfter where the
// reason may go away by itself: such a flow must have been tried several times
// before stallAfter makes its failure one that lasts.
func (g *fenceGroup) setAside(id progress.FlowID, f *owned, err error) {
	level, again, passing := slog.LevelError, takeAgainAfter, passes(err)
	if passing {
		level, again = slog.LevelWarn, retryAfter
	}
	g.log.Log(context.Background(), level, "flow stands still; trying again", "flow", f.title, "group", g.name, "err", err)
	g.metrics.roundErrors.WithLabelValues(g.name).Inc()
	f.broken, f.apart = true, true
	f.takeAfter = g.cfg.Now().Add(again)
	g.stands(id, f, err, passing)
}

// passes reports whether a failure may go away without anybody's doing.
func passes(err error) bool {
	return errors.Is(err, sequence.ErrUnavailable) || errors.Is(err, sequence.ErrSnapshotGone)
}

// roundFailed notes that a round of several flows has failed. If the error names a
// flow (round.FlowError), that flow is computed apart from then on. If it names none
// and is not of a kind that passes, any flow may be to blame, and all are computed
// apart until each has succeeded.
func (g *fenceGroup) roundFailed(err error) {
	var own *round.FlowError
	blamed := errors.As(err, &own)
	passing := passes(err)
	for id, f := range g.flows {
		switch {
		case f.broken && f.apart && f.fails.err != nil:
			continue // it stands still for a reason of its own
		case blamed && own.Flow == id:
			f.apart = true
			g.stands(id, f, err, true)
		case blamed:
			g.stands(id, f, fmt.Errorf("held up by another flow of the fence group: %w", err), true)
		default:
			f.apart = f.apart || !passing
			g.stands(id, f, err, true)
		}
	}
}

// moves notes that a round of a flow has succeeded. The catalogue is told if the
// flow stood still, and once after each loading: the flow may have stood still under
// an earlier owner.
func (g *fenceGroup) moves(id progress.FlowID) {
	if f := g.flows[id]; f != nil && (f.fails.err != nil || f.unsaid) {
		f.fails, f.unsaid = failure{}, false
		g.standing.moves(id)
		g.again = append(g.again, id)
	}
}

// report tells the catalogue which flows stand still and which move again. It writes
// nothing if there is no news, and repeats a reason every stallAgain. If writing
// fails, it is tried again after the next round; results do not depend on it.
func (g *fenceGroup) report(ctx context.Context) {
	now := g.cfg.Now()
	var still []progress.Stall
	for _, id := range slices.Sorted(maps.Keys(g.flows)) {
		f := &g.flows[id].fails
		if f.err == nil || f.passes && now.Sub(f.since) < stallAfter {
			continue
		}
		stall := progress.Stall{Flow: id, Error: f.err.Error()}
		if stall.Error == f.told && now.Sub(f.noted) < stallAgain {
			continue
		}
		var hinted interface{ Hint() string }
		if errors.As(f.err, &hinted) {
			stall.Hint = hinted.Hint()
		}
		still = append(still, stall)
	}
	if len(still) == 0 && len(g.again) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stallTimeout)
	defer cancel()
	if err := g.cfg.Catalog.Stand(ctx, still, g.again); err != nil {
		if ctx.Err() == nil || len(still) > 0 {
			g.log.Warn("cannot note in the catalogue which flows stand still", "group", g.name, "flows", len(still), "err", err)
		}
		return
	}
	g.again = nil
	for _, s := range still {
		f := &g.flows[s.Flow].fails
		f.noted, f.told = now, s.Error
	}
}
