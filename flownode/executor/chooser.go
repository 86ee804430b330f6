package executor

// The choice for leaves: capabilities first, then words, then costs.
// Before: the leaf's members are complete; the segments to be read are described.
// After: each leaf has an executor and a reason. Nothing was read yet.
//
// A choice is made anew for every delta and every state, and is never stored. Both
// executors may change places from one round to the next.

import (
	"math"
	"time"

	"laminar/flownode/flowdef"
	"laminar/flownode/keep"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// columnarAfter is how long a leaf is read in columns after the database could
// not aggregate its samples, where no definition or setting says otherwise.
const columnarAfter = time.Minute

// Chooser chooses who computes the partials of leaves. What a definition or the
// setting says comes before costs, and what SQL cannot compute before both. It may
// be used by several goroutines at once, each with leaves of its own.
type Chooser struct {
	Setting flowdef.Executor // of flows that do not say
	Meter   *Meter
	Now     func() time.Time
}

// byCost reports whether costs decide who computes the leaf's partials. Only then is
// it worth finding out how much a reading holds.
func (c *Chooser) byCost(l *keep.Leaf) bool {
	want := l.Executor
	if want == "" {
		want = c.Setting
	}
	return want == flowdef.ExecutorAuto && cannotPush(l) == ""
}

// cannotPush says why SQL cannot compute the leaf's partials, "" if it can.
func cannotPush(l *keep.Leaf) flowdef.NoPush {
	if l.Members.ReadsResults() {
		return flowdef.NoPushResults
	}
	return l.Def.CannotPush()
}

// choose decides who computes the leaf's partials from a reading.
func (c *Chooser) choose(l *keep.Leaf, reading Reading) Choice {
	if c.byCost(l) && c.Now().Before(l.ColumnarUntil) {
		return Choice{Executor: flowdef.ExecutorColumnar, Reason: Fallback}
	}
	return Choose(cannotPush(l), l.Executor, c.Setting, reading, c.Meter.Link())
}

// FellBack must be called when the database could not aggregate the leaf's samples.
// It returns the choice that takes the place of the failed one. The leaf is read in
// columns for columnarAfter: samples that overflowed once are likely to overflow in
// the next round, and an attempt that fails costs as much as one that succeeds.
func (c *Chooser) FellBack(l *keep.Leaf) Choice {
	l.ColumnarUntil = c.Now().Add(columnarAfter)
	return Choice{Executor: flowdef.ExecutorColumnar, Reason: Fallback}
}

// addInfo adds a segment to a reading.
func addInfo(to *Reading, in *segment.Info) {
	to.Add(in.Samples, in.Packed, in.Sealed)
	to.Bytes += in.Bytes
}

// OrderedReading is what it takes to read the leaf's ordered hot segments of a
// delta, which infos describes. Unordered and sealed segments are read in columns in
// any case, since what they touch must be known sample by sample.
func OrderedReading(l *keep.Leaf, infos []segment.Info) Reading {
	out := Reading{Series: int64(len(l.Members.Series))}
	var span sequence.Span
	for i := range infos {
		if in := &infos[i]; !in.Sealed && in.Ordered {
			addInfo(&out, in)
			span = span.Join(in.Span())
		}
	}
	out.Partials = partials(l, out, span)
	return out
}

// partials is the largest number of partials that samples in the span can give: one
// for each pane and slot, and no more than there are samples.
func partials(l *keep.Leaf, of Reading, span sequence.Span) int64 {
	if span.Empty() || cannotPush(l) != "" {
		return 0
	}
	panes := (l.PaneOf(span.UpTo)-l.PaneOf(span.After+1))/l.Def.Pane + 1
	return min(of.Total(), panes*int64(len(l.Members.GroupOf)))
}

// Delta decides for each of the leaves who computes the partials of its ordered
// delta. readings[i] is the reading of leaves[i]; its Shared and Sharers are filled
// in here. A reading is shared if each of its metrics is read in columns for another
// leaf in any case, and the number of its sharers is that of its least shared metric.
func (c *Chooser) Delta(leaves []*keep.Leaf, readings []Reading) []Choice {
	var (
		read    = map[sequence.MetricID]bool{}  // in columns, whatever the others cost
		sharers = map[sequence.MetricID]int64{} // leaves that might be
	)
	for i, l := range leaves {
		if !c.byCost(l) && c.choose(l, readings[i]).Executor == flowdef.ExecutorPushdown {
			continue
		}
		for _, m := range l.Members.Metrics {
			sharers[m]++
			read[m] = read[m] || !c.byCost(l)
		}
	}
	out := make([]Choice, len(leaves))
	for i, l := range leaves {
		reading := &readings[i]
		reading.Shared, reading.Sharers = true, math.MaxInt64
		for _, m := range l.Members.Metrics {
			reading.Shared = reading.Shared && read[m]
			reading.Sharers = min(reading.Sharers, sharers[m])
		}
		if len(l.Members.Metrics) == 0 {
			reading.Shared, reading.Sharers = false, 1
		}
		out[i] = c.choose(l, *reading)
	}
	return out
}

// AnywayColumnar reports whether the leaf's raw samples are read in columns at any
// cost: SQL has no such partial, or the definition or the setting says so.
func (c *Chooser) AnywayColumnar(l *keep.Leaf) bool {
	return !c.byCost(l) && c.choose(l, Reading{}).Executor == flowdef.ExecutorColumnar
}

// Raw decides who computes the pane state of a leaf from raw samples after from.
// sharers is how many leaves would share their reading, the leaf among them;
// shared says that they are read anyway. stored, which describes all segments of
// the leaf's metrics, is asked only where it matters.
func (c *Chooser) Raw(l *keep.Leaf, from, sharers int64, shared bool, stored func() ([]segment.Info, error)) (Choice, error) {
	// Where even a few partials of very many samples cost more than the samples,
	// it does not matter how many there are.
	many := Reading{Raw: true, Samples: Samples{Arrays: 1 << 30}, Bytes: segment.ArrayBytes << 30, Sharers: sharers, Shared: shared}
	choice := c.choose(l, many)
	if !c.byCost(l) || choice.Executor == flowdef.ExecutorColumnar {
		return choice, nil
	}
	infos, err := stored()
	if err != nil {
		return choice, err
	}
	reading := Reading{Raw: true, Series: int64(len(l.Members.Series)), Sharers: sharers, Shared: shared}
	span := sequence.Span{After: from, UpTo: from}
	for i := range infos {
		if in := &infos[i]; in.MaxT > from {
			addInfo(&reading, in)
			span.UpTo = max(span.UpTo, in.MaxT)
		}
	}
	reading.Partials = partials(l, reading, span)
	return c.choose(l, reading), nil
}
