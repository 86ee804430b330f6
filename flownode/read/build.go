package read

// Pane state that is built from raw samples.
// Before: the leaf's members are complete at the snapshot.
// After: its state stands at the snapshot's vector and holds every sample after
// from (I3).
//
// There are two ways. BuildState serves one leaf, by either executor. BuildTogether
// serves many leaves of the same metrics, always in columns: decoding segments is
// the larger part of the work after a start, and one reading decodes each once.

import (
	"context"
	"fmt"
	"slices"

	"laminar/flownode/executor"
	"laminar/flownode/flowdef"
	"laminar/flownode/keep"
	"laminar/flownode/partial"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// BuildState builds the leaf's pane state that begins at from, ms, which must be a
// border of its panes. The samples are read in columns, or aggregated by the
// database. If the database fails in the middle, its partials are thrown away: they
// cannot be told from those that are still missing.
func (r *Reader) BuildState(ctx context.Context, l *keep.Leaf, from sequence.Time) (keep.State, error) {
	state := l.NewState(from, r.Pos.Vector)
	if len(l.Members.Series) == 0 {
		return state, nil
	}
	choice, err := r.chooseRaw(ctx, l, from, 1, false)
	if err != nil {
		return nil, err
	}
	r.Count(choice)
	if choice.Executor == flowdef.ExecutorPushdown {
		done, err := r.aggregateRaw(ctx, l, from, func(end int64, slot int32, part partial.Simple) error {
			state.MergeSimple(end, slot, len(l.Members.GroupOf), part)
			return nil
		})
		if err != nil || done {
			return state, err
		}
		state = l.NewState(from, r.Pos.Vector)
	}
	if err := r.Fold(ctx, l, state, l.Members.Series, sequence.Spans{{After: from, UpTo: sequence.EndOfTime}}, nil); err != nil {
		return nil, err
	}
	return state, nil
}

// chooseRaw decides who computes the pane state of a leaf from raw samples: this
// process or the database. sharers is how many leaves a reading in columns would
// serve, so each bears that part of its cost; shared says that one of them is read
// in columns in any case.
func (r *Reader) chooseRaw(ctx context.Context, l *keep.Leaf, from, sharers int64, shared bool) (executor.Choice, error) {
	return r.Chooser.Raw(l, from, sharers, shared, func() ([]segment.Info, error) { return r.infosOf(ctx, l.Members.Metrics) })
}

// Missing is a leaf that lacks pane state. From is where the state is to begin, ms:
// a border of the leaf's panes.
type Missing struct {
	Leaf *keep.Leaf
	From sequence.Time

	choice executor.Choice // who computes it
}

// maxTogether is how many leaves fold what one reading gives: while they do, each
// takes about 20 bytes per series beside its state.
const maxTogether = 64

// BuildTogether builds the pane state of those leaves that can share a reading,
// from one reading for each set of metrics: after a start these are all leaves. It
// returns how many it built. The others still lack their state, and BuildState
// builds it when it is needed.
func (r *Reader) BuildTogether(ctx context.Context, leaves []Missing) (built int, err error) {
	together := map[string][]Missing{}
	for _, m := range leaves {
		if r.Mixes(m.Leaf) {
			continue // it reads other columns
		}
		// Only leaves of the very same metrics share: one that selects more would make
		// the others wait for samples that are not theirs.
		key := fmt.Sprint(m.Leaf.Members.Metrics)
		together[key] = append(together[key], m)
	}
	for _, leaves := range together {
		columnar, err := r.columnar(ctx, leaves)
		if err != nil {
			return built, err
		}
		for some := range slices.Chunk(columnar, maxTogether) {
			if len(some) < 2 {
				continue // alone it is built when it is needed
			}
			if err := r.buildTogether(ctx, some); err != nil {
				return built, fmt.Errorf("build pane state of %d leaves: %w", len(some), err)
			}
			built += len(some)
		}
	}
	return built, nil
}

// columnar returns those of the leaves, which all select the same metrics, whose
// state is not computed by the database. A leaf that is read in columns in any case
// makes them cheaper for the others.
func (r *Reader) columnar(ctx context.Context, leaves []Missing) ([]Missing, error) {
	shared := slices.ContainsFunc(leaves, func(m Missing) bool { return r.Chooser.AnywayColumnar(m.Leaf) })
	var out []Missing
	for _, m := range leaves {
		choice, err := r.chooseRaw(ctx, m.Leaf, m.From, int64(len(leaves)), shared)
		if err != nil {
			return nil, err
		}
		if choice.Executor == flowdef.ExecutorColumnar {
			m.choice = choice
			out = append(out, m)
		}
	}
	return out, nil
}

// minAtOnce is how many samples a leaf holds at a time when many leaves fold the
// same samples: enough that folding, and not beginning to, is the work.
const minAtOnce = 4 << 10

// buildTogether builds the pane state of leaves that select the same metrics. Each
// segment is given to every leaf while it is in the cache; what is read is what the
// leaf that begins first needs, and the others leave out what is older.
//
// No leaf gets its state before all are built: after an error none has half of it.
func (r *Reader) buildTogether(ctx context.Context, leaves []Missing) error {
	var (
		folds  = make([]*rawFold, len(leaves))
		spans  = make([]sequence.Spans, len(leaves))
		takers = make([][]func(*segment.Segment) error, r.lanesOf(len(r.Pos.Vector))) // by lane, then leaf
		// All leaves together hold as much as one alone may.
		limit = max(r.AtOnce/len(leaves), min(r.AtOnce, minAtOnce))
		first = leaves[0].From
	)
	for i, m := range leaves {
		raw := newRawSamples(m.Leaf.Members, m.Leaf.Members.Series)
		folds[i] = newRawFold(m.Leaf, r, m.Leaf.NewState(m.From, r.Pos.Vector), raw, limit)
		defer folds[i].release()
		spans[i] = sequence.Spans{{After: m.From, UpTo: sequence.EndOfTime}}
		for lane, take := range folds[i].takers(spans[i]) {
			takers[lane] = append(takers[lane], take)
		}
		first = min(first, m.From)
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
	if err := r.readRaw(ctx, segment.Select{Metrics: leaves[0].Leaf.Members.Metrics, Span: sequence.Span{After: first, UpTo: sequence.EndOfTime}}, all...); err != nil {
		return err
	}
	for _, n := range read {
		r.Samples += n
	}
	// What came in the wrong order is read again leaf by leaf: it is little.
	for i, x := range folds {
		if err := x.finish(ctx, r, spans[i]); err != nil {
			return err
		}
	}
	for i, m := range leaves {
		m.Leaf.State = folds[i].into
		r.Count(m.choice)
	}
	return nil
}
