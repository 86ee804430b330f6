package flowdef

import (
	"laminar/flownode/pane"
	"laminar/sequence"
)

// What windows read, and when they can be computed. A window is named by its end.
// It reads (end-Offset-Range, end-Offset] of each leaf.
//
// With a negative offset the upper bound lies beyond the window's end:
//
//	      MaxReach                        Ahead
//	|----------------------------|---------------------|
//	                            end
//	(--- x[5m] offset 2m ---]
//	                   (------- x[5m] offset -3m ------]
//
// Retention must cover MaxReach, and Ahead as well where there is some, because
// the window is computed when what it reads has come. Pinned leaves read one
// stretch for all windows, so they are looked at apart.

// Bounds is the stretch of sample time that the leaf reads in the window with
// this end. A pinned leaf reads the same in all windows.
func (l *Leaf) Bounds(end sequence.Time) sequence.Span {
	if l.Pinned {
		end = l.PinnedAt
	}
	return pane.Windows{Range: l.Range, Offset: l.Offset}.Bounds(end)
}

// Reads reports whether the leaf reads samples at t in the window with this end,
// of series that it selects.
func (l *Leaf) Reads(t, end sequence.Time) bool { return l.Bounds(end).Holds(t) }

// Windows is the flow's windows. Each reads what its leaves read and what lies
// between them, pinned leaves left out.
func (f Flow) Windows() pane.Windows {
	return pane.Windows{Every: f.Every, Range: f.Expr.MaxReach - f.Expr.MinOffset, Offset: f.Expr.MinOffset}
}

// Ahead is how far beyond its end a window reads, ms: the largest negative
// offset of a leaf that is not pinned. Never negative. Results of windows that
// close so much later are provisional until then.
func (c *Compiled) Ahead() int64 { return max(0, -c.MinOffset) }

// Pinned is the stretch of sample time that the pinned leaves read, and what
// lies between them: empty when no leaf is pinned.
func (c *Compiled) Pinned() sequence.Span {
	var all sequence.Span
	for i := range c.Leaves {
		if l := &c.Leaves[i]; l.Pinned {
			all = all.Join(l.Bounds(0))
		}
	}
	return all
}

// PinnedGone reports whether raw samples that every window needs are given up,
// when all samples before earliest are (0: none): then no window can be
// computed any more, now or later. Results that are stored stay (I6).
func (c *Compiled) PinnedGone(earliest sequence.Time) bool {
	pinned := c.Pinned()
	return !pinned.Empty() && earliest > pinned.After+1
}

// Rebuildable reports whether no raw sample of the window with this end is
// given up (I6), when all before earliest are (0: none).
func (c *Compiled) Rebuildable(end, earliest sequence.Time) bool {
	// The window's first sample is at end-MaxReach+1.
	return earliest == 0 || end-c.MaxReach >= earliest-1 && !c.PinnedGone(earliest)
}

// FirstRebuildable is the end of the first window of which no raw sample is given
// up (I6), when all before earliest are; 0 when none are (0). It does not look at
// pinned leaves: with PinnedGone no window is rebuildable.
func (f Flow) FirstRebuildable(earliest sequence.Time) sequence.Time {
	if earliest == 0 {
		return 0
	}
	return f.Windows().From(earliest - 1 + f.Expr.MaxReach)
}

// BackfillStart is where the backfill of a new flow begins, a multiple of its
// step: no window with an end up to it is emitted. The first that is emitted is
// not before the first window that a sample reaches, nor before the time asked
// for, nor before the first window of which no sample is given up (I6). firstT
// is the time of the oldest sample that the flow selects, now the database's
// clock, earliest as in FirstRebuildable; all in ms.
func (f Flow) BackfillStart(firstT, now, earliest sequence.Time) sequence.Time {
	end, _ := f.Windows().Of(sequence.Between(firstT, firstT))
	if !f.Backfill.All {
		end = max(end, f.Windows().Next(now-f.Backfill.Duration))
	}
	return max(end, f.FirstRebuildable(earliest)) - f.Every
}

// FirstWatermark is the watermark that a new flow with a backfill from start
// begins with, which says how far the backfill has to go: newest is the time of
// the newest sample that it selects. It is never below start.
func (f Flow) FirstWatermark(start, newest sequence.Time) sequence.Time {
	if newest < f.ClosesFrom() {
		return start
	}
	return max(start, newest-f.CloseDelay())
}

// CloseDelay is how long after its end, by the flow's newest sample, a window
// closes at the earliest, ms: once everything is due that it reads. With a
// watermark delay of 10s, a window of x offset -1h closes 1h 10s after its end.
func (f Flow) CloseDelay() int64 { return f.WatermarkDelay + f.Expr.Ahead() }

// ClosesFrom is the newest sample time below which no window closes, because
// samples of a fixed time that all of them read are still due; 0 without such.
func (f Flow) ClosesFrom() sequence.Time {
	pinned := f.Expr.Pinned()
	if pinned.Empty() {
		return 0
	}
	return pinned.UpTo + f.WatermarkDelay
}

// KeptFrom is the end of the first window whose results are kept, ms; 0 or less for all.
// They are kept for so long before the newest sample, or before the database's clock when
// that came, whichever is behind. A flow that reads its own results goes from one window to
// the next, however old samples are: so it keeps them for so long before the newest window
// that is closed. newestAt must not be later than the clock now, which may have been set
// back. Times are sequence.NoTime while they are not known.
func (f *Flow) KeptFrom(newest, newestAt, emittedUntil sequence.Time) sequence.Time {
	if f.Keep == 0 {
		return 0
	}
	reached := min(newest, newestAt)
	if f.Itself {
		reached = min(reached, emittedUntil)
	}
	return reached - f.Keep
}

// WindowStart is where the window that ends at end begins, ms: the earliest
// time any leaf's result stands for. end is a multiple of Every. It is the column
// window_start, and no result depends on it.
func (f Flow) WindowStart(end sequence.Time) sequence.Time { return end - f.WindowLength() }

// WindowLength is how long a result's window is, offset included, ms: from
// window_start to window_end. An instant selector's is a step long, and so is
// one that reads beyond its end only. What is pinned does not count. A session is as long as
// it is, and its row has a window_start of its own: this is the step then.
func (f Flow) WindowLength() int64 {
	if f.Session != nil {
		return f.Every
	}
	length := int64(0)
	for i := range f.Expr.Leaves {
		if l := &f.Expr.Leaves[i]; !l.Pinned {
			length = max(length, l.Offset-l.Before+l.Length(f.Every))
		}
	}
	if length == 0 {
		return f.Every
	}
	return length
}
