package verify

// Which windows are compared, and what is read for them.
// Before: the flow and its members are those of the snapshot.
// After: every window that is asked for was compared, left out by the sample, or
// counted under the reason for which it cannot be compared.

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"

	"laminar/flownode/keep"
	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/sequence"
)

// bounds finds the windows that are asked for and can be stored: from the oldest row
// or sample to the last window that is stored. The oldest row counts even without
// samples, because a row of a time that holds no sample is a difference.
func (r *verifying) bounds(ctx context.Context, in *read.Reader, snap Snapshot) error {
	windows, emitted := r.def.Windows(), r.flow.EmittedUntil
	oldest, err := snap.OldestResult(ctx, r.id)
	if err != nil {
		return fmt.Errorf("look for the oldest result: %w", err)
	}
	first := int64(math.MaxInt64)
	if oldest != sequence.NoTime {
		first = windows.From(oldest)
	}
	for _, l := range r.leaves {
		metrics := rawMetrics(l)
		if len(metrics) == 0 || l.Def.Pinned {
			continue
		}
		spans, err := in.Spans(ctx, metrics, sequence.Span{After: -1, UpTo: in.Pos.Now + read.AheadOfClock})
		if err != nil {
			return err
		}
		// Windows from before the flow's beginning matter only where rows are.
		for _, s := range spans {
			begin, _ := l.Windows.Of(sequence.Span{After: max(s.After, r.flow.BeginsAfter-l.Def.Offset), UpTo: s.UpTo})
			first = min(first, begin)
			break
		}
	}
	if r.def.Expr.FromNothing && emitted != sequence.NoTime {
		first = min(first, windows.Next(r.flow.BeginsAfter))
	}
	for i := range r.parents {
		oldest, err := snap.OldestResult(ctx, r.parents[i].ID)
		if err != nil {
			return fmt.Errorf("look for the oldest result of %s: %w", r.parents[i].Def.Title(), err)
		}
		if oldest != sequence.NoTime {
			first = min(first, windows.Next(max(oldest-1, r.flow.BeginsAfter)))
		}
	}
	r.first, r.last = first, emitted
	if r.opts.From != sequence.NoTime {
		r.first = max(first, windows.Next(r.opts.From))
	}
	if r.opts.To != sequence.NoTime {
		to := windows.Last(r.opts.To)
		if r.last = min(emitted, to); to > emitted && emitted != sequence.NoTime {
			r.report.Skipped[SkipOpen] += windows.Count(sequence.Span{After: max(emitted, r.first-1), UpTo: min(to, in.Pos.Now)})
		}
	}
	if emitted == sequence.NoTime {
		r.last = r.first - 1
	}
	r.next = r.first
	return nil
}

// rawMetrics is the raw metrics of the leaf's members; those of results are below zero.
func rawMetrics(l *keep.Leaf) []sequence.MetricID {
	return slices.DeleteFunc(slices.Clone(l.Members.Metrics), func(m sequence.MetricID) bool { return m < 0 })
}

// skips says of each window whether it can be compared, "" if so. It is asked again
// in every snapshot, because in between windows become dirty, are refilled, and lose
// their raw samples.
func (r *verifying) skips(ctx context.Context, in *read.Reader, snap Snapshot) (func(end sequence.Time) Skip, error) {
	f, earliest := &r.flow, in.Pos.Earliest
	err := in.CheckHistory(ctx, f.Vector, f.Flushes)
	if errors.Is(err, sequence.ErrHistoryChanged) {
		return func(int64) Skip { return SkipHistory }, nil
	}
	if err != nil {
		return nil, fmt.Errorf("compare the flow's past with the regions': %w", err)
	}
	jobs, err := snap.PendingRefills(ctx, r.id)
	if err != nil {
		return nil, fmt.Errorf("look for unfinished refills: %w", err)
	}
	dirty := make(map[int64]bool, len(f.Dirty))
	var near sequence.Spans // of entries of the dirty list, ends of sessions
	for _, d := range f.Dirty {
		if dirty[d.WindowEnd] = true; r.def.Session != nil {
			near = append(near, r.def.Session.Affected(d.WindowEnd))
		}
	}
	nearDirty := sequence.Union(near...)
	var ends sequence.Spans // of windows that may be changing
	for _, l := range r.leaves {
		metrics := rawMetrics(l)
		if len(metrics) == 0 {
			continue
		}
		infos, err := in.Infos(ctx, metrics, f.Vector)
		if err != nil {
			return nil, err
		}
		for i := range infos {
			if l.Def.Pinned {
				if l.Span(0).Overlaps(infos[i].Span()) {
					ends = append(ends, sequence.Span{After: -1, UpTo: sequence.EndOfTime})
				}
				continue
			}
			if rule := l.Def.Session; rule != nil {
				ends = append(ends, rule.AffectedBy(infos[i].Span()))
				continue
			}
			ends = append(ends, sequence.Between(l.Windows.Of(infos[i].Span())))
		}
	}
	changing := sequence.Union(ends...)
	part, readsRaw := r.rawPart(r.def)
	kept := f.Def.KeptFrom(f.NewestT, min(f.NewestAt, in.Pos.Now), f.EmittedUntil)
	rebuildable := func(end sequence.Time) bool {
		return (!readsRaw || part.Expr.Rebuildable(end, earliest)) && !r.lacksResults(r.leaves, end, in.Pos.Now)
	}
	isDirty := func(end sequence.Time) bool { return dirty[end] }
	if r.def.Session != nil {
		isDirty = nearDirty.Hold
	}
	return func(end int64) Skip {
		switch {
		case !rebuildable(end):
			return SkipRawGone
		case end < kept:
			return SkipExpired
		case end > f.EmittedUntil: // it can go back when the flow is replaced
			return SkipOpen
		case isDirty(end):
			return SkipDirty
		case slices.ContainsFunc(jobs, func(j progress.Job) bool { return j.NextT < end && end <= j.To }):
			return SkipRefilling
		case changing.Hold(end):
			return SkipChanging
		}
		return ""
	}, nil
}

// pick takes the next windows to compare, near each other, because what lies between
// is read too, and not too many. None are left when it takes none.
func (r *verifying) pick(skip func(end sequence.Time) Skip) []int64 {
	def := &r.def
	gap := max(def.Expr.MaxReach, 16*def.Every)
	var ends []int64
	for ; r.next <= r.last && len(ends) < r.size; r.next += def.Every {
		if !sampled(r.report.Flow, r.opts.Seed, r.next, r.opts.Sample) {
			continue
		}
		if n := len(ends); n > 0 && r.next-ends[n-1] > gap {
			break
		}
		if why := skip(r.next); why != "" {
			r.report.Skipped[why]++
			continue
		}
		ends = append(ends, r.next)
	}
	return ends
}

// sampled chooses windows by a hash, so that a seed chooses the same ones again.
func sampled(flow string, seed uint64, end int64, part float64) bool {
	if part >= 1 {
		return true
	}
	h := fnv.New64a()
	var num [16]byte
	binary.BigEndian.PutUint64(num[:8], seed)
	binary.BigEndian.PutUint64(num[8:], uint64(end))
	_, _ = h.Write([]byte(flow)) // a hash takes everything
	_, _ = h.Write(num[:])
	// FNV's high bits are weak for inputs that differ in the end only.
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11)/(1<<53) < part
}

// read reads what the windows need, and learns from time and samples how many to
// read at once: flows differ by orders of magnitude in what a window costs.
func (r *verifying) read(ctx context.Context, in *read.Reader, snap Snapshot, ends []int64) (reading, error) {
	began, before := r.v.now(), in.Samples
	first, last := ends[0], ends[len(ends)-1]
	if err := r.know(ctx, r.leaves, first, last); err != nil {
		return reading{}, err
	}
	sel, err := in.Select(ctx, r.leaves, first, last)
	if err != nil {
		return reading{}, err
	}
	out := reading{ends: ends, samples: sel, early: map[int64]func(sequence.SeriesID) (read.Early, bool){}}
	for _, end := range ends {
		if out.early[end], err = r.early(ctx, r.id, &r.def, end); err != nil {
			return reading{}, err
		}
	}
	r.fold(sel)
	stored, err := snap.Results(ctx, r.id, sequence.Between(first, last))
	if err != nil {
		return reading{}, fmt.Errorf("read results: %w", err)
	}
	late := lateWindows{}
	if r.def.LeavesOutLate() {
		lacks, err := snap.LateWindows(ctx, r.id, sequence.Between(first, last))
		if err != nil {
			return reading{}, fmt.Errorf("read which windows lack late samples: %w", err)
		}
		for _, w := range lacks {
			late[w.End] = append(late[w.End], w)
		}
	}
	took, samples := r.v.now().Sub(began), in.Samples-before
	switch {
	case took > readTime || samples > readingSamples:
		r.size = max(1, len(ends)/2)
	case took < readTime/4 && samples < readingSamples/4:
		r.size = min(2*r.size, readingWindows)
	}
	out.stored, out.late = stored, late
	return out, nil
}
