package keep

// What the panes of the current window merge to, so that the next window need not
// merge them all again.
// Before: panes change only through calls that tell the slide (changing).
// After each window: base and the panes after merged are the window (W1), for every
// slot.

import (
	"math"

	"laminar/flownode/partial"
	"laminar/sequence"
)

// slide holds what the panes of a leaf's current window merge to, so that a
// window that is computed again after one more scrape costs one merge per slot,
// and one that has moved on a few, amortized, however many panes it has. There
// is no inverse of a merge to take an expired pane out with; so time is cut
// into blocks, on whose borders windows begin, and of the block in which the
// window begins there is one merged array for each place it may begin at:
//
//	after           split                     merged      upTo
//	|-- suffixes -----|-- block --|-- block --|-- panes --|
//	                  |-- tail ---------------|
//	|-- base ---------------------------------|
//
// An array is indexed by slot; slots beyond its end are empty. Between calls,
// for every slot that is not stale:
//
//	W1  base == the merge of the panes in (after, merged]
//	W2  tail == the merge of the panes in (split, merged]
//	W3  suffixes[i] == the merge of the panes in (split-(i+1)*step, split],
//	    of which the last begins at after+step
//	W4  blocks[b] == the merge of the panes in (b-block, b], for borders
//	    split < b <= merged of which it was needed
//
// A block has about as many places as a window has blocks, so there are two
// roots of the window's panes more arrays than panes. When the window leaves a
// block, the suffixes of the next are computed (a merge per pane), and the tail
// from blocks; every other step costs a merge into the tail and one into base.
type slide[P any, PP partial.Cell[P]] struct {
	width int64 // of panes, ms
	step  int64 // windows begin multiples of it apart; a multiple of width
	block int64 // a multiple of step

	direct               bool // nothing is merged ahead: windows are merged from their panes
	set                  bool // the rest holds something
	after, split, merged int64
	base, tail           []P
	suffixes             [][]P
	blocks               map[int64][]P
	stale                slotSet // slots of which a pane in (after, merged] has changed

	// Panes that the window has reached the end of are merged as they come,
	// those of its last step as soon as a round leaves them alone: with many
	// panes in a step that matters. wary says that this was wrong once, and is
	// not done any more.
	hottest int64 // smallest pane end above merged that changed since asked
	asked   bool  // a window was computed since the last change
	wary    bool

	pool[P]

	users  int             // how many leaves it is of
	recent [2]windowValues // of the windows computed last, where it is of several leaves
	oldest int             // which of them is replaced next
}

// blockPlaces is how many steps a block has for windows of rng, both ms: about the
// root of a window's steps n. With k steps per block there are k suffixes and n/k
// blocks, and k + n/k is least at k = sqrt(n).
func blockPlaces(rng, step int64) int64 {
	return max(1, int64(math.Round(math.Sqrt(float64(rng/step)))))
}

func newSlide[P any, PP partial.Cell[P]](kind *partial.Kind[P], width, rng, step int64) *slide[P, PP] {
	block := step * blockPlaces(rng, step)
	return &slide[P, PP]{
		width: width, step: step, block: block,
		hottest: math.MaxInt64, blocks: map[int64][]P{},
		pool: pool[P]{kind: kind, most: 3 + int(block/step)},
	}
}

// reset forgets everything that is merged; the arrays are used again.
func (w *slide[P, PP]) reset() {
	if !w.set {
		return
	}
	w.set = false
	w.recycle(w.base)
	w.recycle(w.tail)
	w.base, w.tail = nil, nil
	w.dropSuffixes()
	for b := range w.blocks {
		w.dropBlock(b)
	}
	w.stale.reset()
}

func (w *slide[P, PP]) dropSuffixes() {
	for _, a := range w.suffixes {
		w.recycle(a)
	}
	w.suffixes = w.suffixes[:0]
}

func (w *slide[P, PP]) dropBlock(b int64) {
	w.recycle(w.blocks[b])
	delete(w.blocks, b)
}

// changing must be called when samples are added to the pane with this end. It
// reports whether the slots that they fall in become stale, which is so for a pane
// in (after, merged]: base holds it already. The caller then adds these slots to
// stale. A later pane is not merged yet, so its change needs no repair; hottest
// notes it as one that still changes.
func (w *slide[P, PP]) changing(end int64) bool {
	if w.asked {
		w.asked, w.hottest = false, math.MaxInt64
	}
	if !w.set || end > w.merged {
		w.hottest = min(w.hottest, end)
		return false
	}
	return end > w.after
}

// follow makes base the merge of the window (after, upTo] up to merged, from the
// panes that byT holds. It reports false for a window that lies behind the current
// one, for which nothing is kept: windows are computed in order of time, and those
// that are computed again are few. It always does where nothing is merged ahead.
//
// Stale slots are computed again first. If they are more than a quarter, everything
// is merged anew instead, and from then on the panes of a window's last step are
// not merged before the window has moved on (wary): they change too often.
func (w *slide[P, PP]) follow(byT map[int64][]P, slots int, after, upTo int64) bool {
	if w.direct || w.set && (after < w.after || upTo < w.merged) {
		return false
	}
	if n := w.stale.len(); n > 0 && w.set {
		if n > slots/4 {
			w.wary = true
			w.reset()
		} else {
			w.refresh(byT, slots)
		}
	}
	w.asked = true
	merged := max(upTo-w.step, after)
	if !w.wary && w.hottest > merged {
		merged = min(upTo, w.hottest-w.width)
	}
	switch {
	case !w.set:
		w.set, w.after, w.merged = true, after, after
		w.rebuild(byT, max(merged, after))
	case after == w.after:
		w.extend(byT, merged, true)
	default:
		w.move(byT, after, max(merged, w.merged))
	}
	return true
}

// extend merges the panes in (w.merged, merged] into the tail, and into base if
// base is true; a base that is about to be replaced need not have them. Without a
// block (split == after) there is no tail.
func (w *slide[P, PP]) extend(byT map[int64][]P, merged int64, base bool) {
	for end := w.merged + w.width; end <= merged; end += w.width {
		if p := byT[end]; p != nil {
			if w.split != w.after {
				w.tail = w.merge(w.tail, p)
			}
			if base {
				w.base = w.merge(w.base, p)
			}
		}
	}
	w.merged = max(w.merged, merged)
}

// move makes base the merge of a window that begins later, at after. Within the
// block that is one merge per slot: the suffix that begins there, and the tail.
func (w *slide[P, PP]) move(byT map[int64][]P, after, merged int64) {
	if after >= w.split {
		// It has left its first block: the next block's suffixes are needed.
		w.after = after
		w.rebuild(byT, merged)
		return
	}
	// The suffix that begins at after, and the tail, are the window; longer suffixes
	// belong to windows that have passed.
	w.extend(byT, merged, false)
	i := int((w.split-after)/w.step) - 1
	for j := i + 1; j < len(w.suffixes); j++ {
		w.recycle(w.suffixes[j])
	}
	w.recycle(w.base)
	w.after, w.base = after, w.merge(w.suffixes[i], w.tail)
	w.suffixes = w.suffixes[:i]
}

// rebuild computes everything for a window that begins at after, with blocks
// that are known where there are such.
func (w *slide[P, PP]) rebuild(byT map[int64][]P, merged int64) {
	w.recycle(w.base)
	w.recycle(w.tail)
	w.base, w.tail = nil, nil
	w.dropSuffixes()
	// The border of blocks above after; the grid of borders is given by where
	// windows begin.
	phase := w.after % w.step
	w.split = w.after - (w.after-phase)%w.block + w.block
	// Blocks up to the split are covered by suffixes, or lie behind the window.
	for b := range w.blocks {
		if b <= w.split {
			w.dropBlock(b)
		}
	}
	w.merged = merged
	// A window that ends within its first block, or blocks of a single step, leave
	// nothing to share: then base is merged as it is, and tail stays empty.
	if w.split > merged || w.block <= w.step {
		w.split = w.after
	}
	// The tail: whole blocks, which the next rebuild finds again, then single panes.
	for end := w.split; end < merged; {
		if next := end + w.block; w.split != w.after && next <= merged {
			if _, ok := w.blocks[next]; !ok {
				w.blocks[next] = w.mergePanes(byT, nil, end, next)
			}
			w.tail = w.merge(w.tail, w.blocks[next])
			end = next
			continue
		}
		w.tail = w.mergePanes(byT, w.tail, end, merged)
		break
	}
	if w.split == w.after {
		w.base, w.tail = w.tail, nil
		return
	}
	// Suffixes, the shortest first: each is one step of panes and the one before.
	// The longest is the window's own and is given up to base.
	var later []P
	for begin := w.split - w.step; begin >= w.after; begin -= w.step {
		a := w.mergePanes(byT, nil, begin, begin+w.step)
		a = w.merge(a, later)
		w.suffixes = append(w.suffixes, a)
		later = a
	}
	last := len(w.suffixes) - 1
	w.base = w.merge(w.suffixes[last], w.tail)
	w.suffixes = w.suffixes[:last]
}

// mergePanes merges the panes in (after, upTo] into an array that ends where they
// begin, in order of time, as ordered partials need it.
func (w *slide[P, PP]) mergePanes(byT map[int64][]P, into []P, after, upTo int64) []P {
	for end := after + w.width; end <= upTo; end += w.width {
		if p := byT[end]; p != nil {
			into = w.merge(into, p)
		}
	}
	return into
}

// merge joins later to into, which is made or grown where needed; later stays
// as it is.
func (w *slide[P, PP]) merge(into, later []P) []P {
	if len(later) == 0 {
		return into
	}
	if into == nil {
		into = w.take(len(later))[:len(later)]
		w.kind.Copy(into, later)
		return into
	}
	into = grow(into, len(later))
	w.kind.Merge(into, later)
	return into
}

// refresh computes all merged arrays again for the stale slots, from their panes:
// what a late sample costs follows the slots it changed, not the leaf's.
func (w *slide[P, PP]) refresh(byT map[int64][]P, slots int) {
	w.base = grow(w.base, slots)
	if w.split != w.after {
		w.tail = grow(w.tail, slots)
	}
	for i := range w.suffixes {
		w.suffixes[i] = grow(w.suffixes[i], slots)
	}
	for b := range w.blocks {
		w.blocks[b] = grow(w.blocks[b], slots)
	}
	for _, slot := range w.stale.slots {
		if w.split == w.after {
			w.base[slot] = w.mergeSlot(byT, slot, w.after, w.merged)
			continue
		}
		w.tail[slot] = w.mergeSlot(byT, slot, w.split, w.merged)
		for b := range w.blocks {
			w.blocks[b][slot] = w.mergeSlot(byT, slot, b-w.block, b)
		}
		var later P
		for i := 0; ; i++ {
			begin := w.split - int64(i+1)*w.step
			a := w.mergeSlot(byT, slot, begin, begin+w.step)
			PP(&a).Merge(&later)
			if later = a; i == len(w.suffixes) {
				break
			}
			// The suffix and later are one partial now, which is only read until
			// later is the next one.
			w.suffixes[i][slot] = a
		}
		PP(&later).Merge(&w.tail[slot])
		w.base[slot] = later
	}
	w.stale.reset()
}

// mergeSlot merges one slot of the panes in (after, upTo].
func (w *slide[P, PP]) mergeSlot(byT map[int64][]P, slot int32, after, upTo int64) P {
	return mergeSlot[P, PP](byT, w.width, slot, sequence.Span{After: after, UpTo: upTo})
}

// mergeSlot merges one slot of the panes of a width, ms, in the span.
func mergeSlot[P any, PP partial.Cell[P]](byT map[int64][]P, width int64, slot int32, span sequence.Span) P {
	var acc P
	for end := span.After + width; end <= span.UpTo; end += width {
		if p := byT[end]; int(slot) < len(p) {
			PP(&acc).Merge(&p[slot])
		}
	}
	return acc
}

// bytes is about how much memory the merged arrays take.
func (w *slide[P, PP]) bytes() int64 {
	n := w.kind.Bytes(w.base) + w.kind.Bytes(w.tail) + w.pool.bytes()
	for _, a := range w.suffixes {
		n += w.kind.Bytes(a)
	}
	for _, a := range w.blocks {
		n += w.kind.Bytes(a)
	}
	for i := range w.recent {
		n += w.recent[i].bytes()
	}
	return n
}

// windowValues is the values of all slots in one window, while the panes have not
// changed since.
type windowValues struct {
	SlotValues
	span    sequence.Span
	changes uint64 // of the panes, when they were computed
	set     bool
}

func (v *windowValues) bytes() int64 { return int64(4*cap(v.Slots) + 8*cap(v.Values)) }

// recall adds the values of a window to out, if they are known and nothing has changed
// since they were computed.
func (w *slide[P, PP]) recall(span sequence.Span, changes uint64, out *SlotValues) bool {
	for i := range w.recent {
		if v := &w.recent[i]; v.set && v.span == span && v.changes == changes {
			out.Slots, out.Values = append(out.Slots, v.Slots...), append(out.Values, v.Values...)
			return true
		}
	}
	return false
}

// remember keeps the values of a window for the other leaves that use the slide: those
// in out from place on. A round computes a window that closes and the open one after
// it for each flow in turn, so two windows are kept.
func (w *slide[P, PP]) remember(span sequence.Span, changes uint64, out *SlotValues, place int) {
	if w.users < 2 || len(out.Histograms) > 0 {
		return // histograms are too large to be kept for others
	}
	v := &w.recent[w.oldest]
	w.oldest = (w.oldest + 1) % len(w.recent)
	v.span, v.changes, v.set = span, changes, true
	v.Slots, v.Values = append(v.Slots[:0], out.Slots[place:]...), append(v.Values[:0], out.Values[place:]...)
}
