package flownode

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"laminar/flownode/flowplan"
	"laminar/flownode/pane"
	"laminar/flownode/partial"
	"laminar/sequence/segment"
)

// buildState builds pane state that begins at from, with everything the
// snapshot holds after it (I3): read in columns, or aggregated by the database.
func (l *Leaf) buildState(ctx context.Context, r *round, from int64) (State, error) {
	state := l.builder.panes(from, r.pos.Vector)
	if len(l.Members.Series) == 0 {
		return state, nil
	}
	choice, err := l.chooseRaw(ctx, r, from, 1, false)
	if err != nil {
		return nil, err
	}
	r.node.metrics.read(choice)
	if choice.Executor == ExecutorPushdown {
		err := r.snap.AggregateRaw(ctx, l.simpleQuery(from), from, math.MaxInt64, func(end int64, slot int32, part partial.Simple) error {
			state.MergeSimple(end, slot, len(l.Members.GroupOf), part)
			return nil
		})
		switch {
		case err == nil:
			return state, nil
		case !errors.Is(err, partial.ErrNeedsColumnar):
			return nil, fmt.Errorf("aggregate raw samples of %s: %w", l.Def.Text, err)
		}
		l.fellBack(r, err)
		state = l.builder.panes(from, r.pos.Vector)
	}
	if err := l.foldRaw(ctx, r, state, l.Members.Series, spanOf(from, math.MaxInt64), nil); err != nil {
		return nil, err
	}
	return state, nil
}

// ensureState builds the pane state that the earliest open window needs, where
// it is missing and small enough to keep.
func (s *stepping) ensureState(ctx context.Context) error {
	for _, l := range s.leaves {
		from, missing := l.stateMissing(s.r, s.to.EmittedUntil)
		if !missing {
			continue
		}
		var err error
		if l.State, err = l.buildState(ctx, s.r, from); err != nil {
			return err
		}
		s.r.node.metrics.refills.WithLabelValues(string(flowplan.NoState)).Inc()
	}
	return nil
}

// stateMissing reports whether the leaf is to have pane state that reaches back
// to the earliest open window but has not, and from where on.
func (l *Leaf) stateMissing(r *round, emittedUntil int64) (from int64, missing bool) {
	if l.Def.Batch || len(l.Members.Series) == 0 && l.State != nil {
		return 0, false
	}
	need, _ := l.Span(emittedUntil + l.Step)
	if l.State != nil && l.From() <= need {
		return 0, false
	}
	from = need - l.lateKeep()
	ahead := r.pos.Now + aheadOfClock
	return from, (ahead-from)/l.Def.Pane*int64(len(l.Members.GroupOf))*l.builder.CellBytes <= r.node.cfg.MaxStateBytes
}

// buildStates builds the pane state of all leaves of the flows that lack it and
// select the same metrics from one reading: after a start that is all of them.
// What is left, ensureState builds.
func buildStates(ctx context.Context, r *round, steps []*stepping) error {
	together := map[string][]missingState{}
	for _, s := range steps {
		if !s.started || (pane.FloorEnd(s.watermark(), s.every())-s.to.EmittedUntil)/s.every() > maxCatchUp {
			continue
		}
		for _, l := range s.leaves {
			if from, ok := l.stateMissing(r, s.to.EmittedUntil); ok && len(l.Members.Series) > 0 {
				key := fmt.Sprint(l.Members.Metrics)
				together[key] = append(together[key], missingState{leaf: l, from: from})
			}
		}
	}
	for _, leaves := range together {
		leaves, err := readTogether(ctx, r, leaves)
		if err != nil {
			return err
		}
		for some := range slices.Chunk(leaves, maxTogether) {
			if err := buildTogether(ctx, r, some); err != nil {
				return fmt.Errorf("build pane state of %d leaves: %w", len(some), err)
			}
		}
	}
	return nil
}

// readTogether is those of the leaves, which select the same metrics, whose
// state is not computed by the database.
func readTogether(ctx context.Context, r *round, leaves []missingState) ([]missingState, error) {
	shared := slices.ContainsFunc(leaves, func(m missingState) bool {
		return !m.leaf.byCost(r.node.cfg.Executor) && m.leaf.choose(r, flowplan.Reading{}).Executor == ExecutorColumnar
	})
	var out []missingState
	for _, m := range leaves {
		choice, err := m.leaf.chooseRaw(ctx, r, m.from, int64(len(leaves)), shared)
		if err != nil {
			return nil, err
		}
		if choice.Executor == ExecutorColumnar {
			m.choice = choice
			out = append(out, m)
		}
	}
	return out, nil
}

// missingState is a leaf that lacks pane state, and from where on.
type missingState struct {
	leaf   *Leaf
	from   int64
	choice flowplan.ExecutorChoice // who computes it
}

// maxTogether is how many leaves fold what one reading gives: while they do, each
// takes about 20 bytes per series beside its state.
const maxTogether = 64

// buildTogether builds the pane state of leaves that select the same metrics.
func buildTogether(ctx context.Context, r *round, leaves []missingState) error {
	if len(leaves) < 2 {
		return nil
	}
	var (
		folds  = make([]*rawFold, len(leaves))
		spans  = make([][]segment.Span, len(leaves))
		takers = make([][]func(*segment.Segment) error, r.foldLanes()) // by lane, then leaf
		limit  = max(r.node.rawAtOnce/len(leaves), min(r.node.rawAtOnce, minRawAtOnce))
		first  = leaves[0].from
	)
	for i, m := range leaves {
		raw := newRawSamples(m.leaf.Members, m.leaf.Members.Series)
		folds[i] = newRawFold(m.leaf, r, m.leaf.builder.panes(m.from, r.pos.Vector), raw, limit)
		defer folds[i].release()
		spans[i] = spanOf(m.from, math.MaxInt64)
		for lane, take := range folds[i].takers(spans[i]) {
			takers[lane] = append(takers[lane], take)
		}
		first = min(first, m.from)
	}
	all, read := make([]func(*segment.Segment) error, len(takers)), make([]int64, len(takers))
	for lane, takers := range takers {
		all[lane] = func(seg *segment.Segment) error {
			read[lane] += int64(seg.Len())
			for _, take := range takers {
				if err := take(seg); err != nil {
					return err
				}
			}
			return nil
		}
	}
	if err := r.snap.ReadRaw(ctx, segment.Select{Metrics: leaves[0].leaf.Members.Metrics, After: first}, all...); err != nil {
		return err
	}
	for _, n := range read {
		r.readSamples += n
	}
	for i, x := range folds {
		if err := x.finish(ctx, r, spans[i]); err != nil {
			return err
		}
	}
	for i, m := range leaves {
		m.leaf.State = folds[i].into
		r.node.metrics.read(m.choice)
		r.node.metrics.refills.WithLabelValues(string(flowplan.NoState)).Inc()
	}
	return nil
}

// minRawAtOnce is how many samples a leaf holds at a time when many leaves fold
// the same samples: enough that folding, and not beginning to, is the work.
const minRawAtOnce = 4 << 10

// aheadOfClock is how far beyond the database's clock panes may lie; samples
// further ahead are refused at the door.
const aheadOfClock = int64(10 * time.Minute / time.Millisecond)

// lateKeep is how much older than the earliest open window needs panes are
// kept, for the late samples that come any minute; whole panes.
func (l *Leaf) lateKeep() int64 {
	const late = int64(2 * time.Minute / time.Millisecond)
	return min((late+l.Def.Pane-1)/l.Def.Pane, 60) * l.Def.Pane
}

// Panes that no open window needs stay longer where that is cheap: samples that
// are late by less then cost only their own cells, and windows are computed again
// without reading raw samples.
const (
	latePanes = 256              // of a leaf
	lateBytes = int64(256 << 20) // of all flows of the node
)

// trim drops panes that no open window needs and that are too old, or too large,
// to be kept for late samples. It never begins earlier than it did: what was
// dropped would be missing.
func (s *stepping) trim() {
	share := lateBytes / max(1, s.r.node.flows.Load()*int64(len(s.leaves)))
	for _, l := range s.leaves {
		if l.State == nil {
			continue
		}
		need, _ := l.Span(s.to.EmittedUntil + l.Step)
		panes := share / max(1, int64(len(l.Members.GroupOf))*l.builder.CellBytes)
		l.State.Trim(need - max(l.lateKeep(), min(panes, latePanes)*l.Def.Pane))
	}
}
