package flownode

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"sort"
	"time"

	"laminar/flownode/pane"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// selectorsOnly is the flow with leaves that select what the expression reads,
// series by series, and compute nothing: what a batch flow has anyway.
func selectorsOnly(flow progress.Flow) progress.Flow {
	flow.Dirty = nil
	flow.Def.Expr = flow.Def.Expr.Whole("it is verified")
	return flow
}

// bounds finds the windows that are asked for and can be there: from the
// oldest row or sample to the last window that is stored.
func (r *verifying) bounds(ctx context.Context, in *round, snap StoredSnapshot) error {
	f := r.flow
	every, emitted := f.flow.Def.Every, f.flow.EmittedUntil
	oldest, err := snap.OldestResult(ctx, r.id)
	if err != nil {
		return fmt.Errorf("look for the oldest result: %w", err)
	}
	first := int64(math.MaxInt64)
	if oldest != progress.Unset {
		first = pane.FirstEnd(oldest, 0, every)
	}
	for _, l := range f.leaves {
		if len(l.Members.Metrics) == 0 || l.Def.Pinned {
			continue
		}
		spans, err := in.spans(ctx, l.Members.Metrics, -1, in.pos.Now+aheadOfClock)
		if err != nil {
			return err
		}
		// Windows from before the flow's beginning matter only where rows are.
		for _, s := range spans {
			begin, _ := l.WindowsOf(max(s.MinT, f.flow.BeginsAfter-l.Def.Offset+1))
			first = min(first, begin)
			break
		}
	}
	r.first, r.last = first, emitted
	if r.opts.From != progress.Unset {
		r.first = max(first, pane.FirstEnd(r.opts.From+1, 0, every))
	}
	if r.opts.To != progress.Unset {
		to := pane.FloorEnd(r.opts.To, every)
		if r.last = min(emitted, to); to > emitted && emitted != progress.Unset {
			known := pane.FloorEnd(in.pos.Now, every)
			r.report.Skipped[SkipOpen] += max(0, min(to, known)-max(emitted, r.first-every)) / every
		}
	}
	if emitted == progress.Unset {
		r.last = r.first - 1
	}
	r.next = r.first
	return nil
}

// skips says of each window whether it can be compared, "" if so.
func (r *verifying) skips(ctx context.Context, snap StoredSnapshot) (func(end int64) Skip, error) {
	f, pos := r.flow, snap.Position()
	err := snap.CheckHistory(ctx, f.flow.Vector, f.flow.Flushes)
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
	dirty := make(map[int64]bool, len(f.flow.Dirty))
	for _, d := range f.flow.Dirty {
		dirty[d.WindowEnd] = true
	}
	var ends []segment.Span // of windows that may be changing
	for _, l := range f.leaves {
		if len(l.Members.Metrics) == 0 {
			continue
		}
		infos, err := snap.Infos(ctx, l.Members.Metrics, f.flow.Vector)
		if err != nil {
			return nil, fmt.Errorf("list segments after %s: %w", f.flow.Vector, err)
		}
		for i := range infos {
			if l.Def.Pinned {
				if after, upTo := l.Span(0); infos[i].MaxT > after && infos[i].MinT <= upTo {
					ends = append(ends, segment.Span{MinT: 0, MaxT: math.MaxInt64})
				}
				continue
			}
			from, _ := l.WindowsOf(infos[i].MinT)
			_, to := l.WindowsOf(infos[i].MaxT)
			ends = append(ends, segment.Span{MinT: from, MaxT: to})
		}
	}
	changing := mergeSpans(ends)
	return func(end int64) Skip {
		switch {
		case !f.rebuildable(end, pos.Earliest):
			return SkipRawGone
		case f.expired(end):
			return SkipExpired
		case end > f.flow.EmittedUntil: // it can go back when the flow is replaced
			return SkipOpen
		case dirty[end]:
			return SkipDirty
		case slices.ContainsFunc(jobs, func(j progress.Job) bool { return j.NextT < end && end <= j.To }):
			return SkipRefilling
		case spansHold(changing, end):
			return SkipChanging
		}
		return ""
	}, nil
}

// mergeSpans sorts spans and makes one of those that overlap.
func mergeSpans(spans []segment.Span) []segment.Span {
	slices.SortFunc(spans, func(a, b segment.Span) int { return cmp.Compare(a.MinT, b.MinT) })
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && s.MinT <= out[n-1].MaxT {
			out[n-1].MaxT = max(out[n-1].MaxT, s.MaxT)
		} else {
			out = append(out, s)
		}
	}
	return out
}

// spansHold reports whether t lies in one of the spans, which mergeSpans made.
func spansHold(spans []segment.Span, t int64) bool {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].MaxT >= t })
	return i < len(spans) && spans[i].MinT <= t
}

// pick takes the next windows to compare, near each other and not too many.
// None are left when it takes none.
func (r *verifying) pick(skip func(end int64) Skip) []int64 {
	def := &r.flow.flow.Def
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

// read reads what the windows need, and learns how many to read at once.
func (r *verifying) read(ctx context.Context, in *round, snap StoredSnapshot, ends []int64) (reading, error) {
	began, before := time.Now(), in.readSamples
	first, last := ends[0], ends[len(ends)-1]
	sel, err := r.flow.readSelection(ctx, in, first, last)
	if err != nil {
		return reading{}, err
	}
	stored, err := snap.Results(ctx, r.id, first-r.flow.flow.Def.Every, last)
	if err != nil {
		return reading{}, fmt.Errorf("read results: %w", err)
	}
	took, samples := time.Since(began), in.readSamples-before
	switch {
	case took > verifyReadTime || samples > verifySamples:
		r.size = max(1, len(ends)/2)
	case took < verifyReadTime/4 && samples < verifySamples/4:
		r.size = min(2*r.size, verifyMaxWindows)
	}
	return reading{ends: ends, samples: sel, stored: stored}, nil
}
