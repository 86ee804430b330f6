package flownode

import (
	"context"
	"fmt"
	"math"
	"time"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// Executor is how partials are computed.
type Executor = flowdef.Executor

// The executors, which give the same partials (doc.go), and the choice between
// them.
const (
	ExecutorAuto     = flowdef.ExecutorAuto
	ExecutorColumnar = flowdef.ExecutorColumnar
	ExecutorPushdown = flowdef.ExecutorPushdown
)

// columnarAfter is how long a leaf is read in columns after the database could
// not aggregate its samples, where nobody says otherwise.
const columnarAfter = time.Minute

// byCost reports whether what it costs decides who computes the leaf's partials.
func (l *Leaf) byCost(setting Executor) bool {
	want := l.Executor
	if want == "" {
		want = setting
	}
	return want == ExecutorAuto && l.Def.CannotPush() == ""
}

// choose decides who computes the leaf's partials from a reading.
func (l *Leaf) choose(r *round, reading flowplan.Reading) flowplan.ExecutorChoice {
	setting := r.node.cfg.Executor
	if l.byCost(setting) && r.node.cfg.Now().Before(l.ColumnarUntil) {
		return flowplan.ExecutorChoice{Executor: ExecutorColumnar, Reason: flowplan.ExecutorFallback}
	}
	return flowplan.ChooseExecutor(l.Def.CannotPush(), l.Executor, setting, reading, r.node.link.current())
}

// fellBack takes note that the database could not aggregate the leaf's samples.
func (l *Leaf) fellBack(r *round, err error) {
	l.ColumnarUntil = r.node.cfg.Now().Add(columnarAfter)
	r.node.metrics.read(flowplan.ExecutorChoice{Executor: ExecutorColumnar, Reason: flowplan.ExecutorFallback})
	r.node.log.Warn("the database cannot aggregate these samples; reading them instead", "leaf", l.Def.Text, "err", err)
}

// addInfo takes a segment into a reading.
func addInfo(to *flowplan.Reading, in *segment.Info) {
	to.Add(in.Samples, in.Packed, in.Sealed)
	to.Bytes += in.Bytes
}

// orderedReading is what reading the leaf's ordered hot segments of a delta
// takes.
func (l *Leaf) orderedReading(infos []segment.Info) flowplan.Reading {
	out := flowplan.Reading{Series: int64(len(l.Members.Series))}
	minT, maxT := int64(math.MaxInt64), int64(-1)
	for i := range infos {
		if in := &infos[i]; !in.Sealed && in.Ordered {
			addInfo(&out, in)
			minT, maxT = min(minT, in.MinT), max(maxT, in.MaxT)
		}
	}
	out.Partials = l.partials(out, minT, maxT)
	return out
}

// partials is how many partials samples from minT to maxT give at most.
func (l *Leaf) partials(of flowplan.Reading, minT, maxT int64) int64 {
	if maxT < minT || l.Def.CannotPush() != "" {
		return 0
	}
	panes := (l.grid.End(maxT)-l.grid.End(minT))/l.Def.Pane + 1
	return min(of.Total(), panes*int64(len(l.Members.GroupOf)))
}

// chooseExecutors decides of the leaves who computes the partials of their
// ordered deltas, given what reading each takes. Leaves that are read in columns
// in any case share that with the others on their metrics: that is filled in.
func chooseExecutors(r *round, leaves []*Leaf, readings []flowplan.Reading) []flowplan.ExecutorChoice {
	var (
		read    = map[sequence.MetricID]bool{}  // in columns, whatever the others cost
		sharers = map[sequence.MetricID]int64{} // leaves that might be
		setting = r.node.cfg.Executor
	)
	for i, l := range leaves {
		if !l.byCost(setting) && l.choose(r, readings[i]).Executor == ExecutorPushdown {
			continue
		}
		for _, m := range l.Members.Metrics {
			sharers[m]++
			read[m] = read[m] || !l.byCost(setting)
		}
	}
	out := make([]flowplan.ExecutorChoice, len(leaves))
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
		out[i] = l.choose(r, *reading)
	}
	return out
}

// chooseRaw decides who computes the pane state of a leaf from raw samples after
// from. sharers is how many leaves would share their reading, the leaf among
// them; shared says that they are read anyway.
func (l *Leaf) chooseRaw(ctx context.Context, r *round, from, sharers int64, shared bool) (flowplan.ExecutorChoice, error) {
	// Where even a few partials of very many samples cost more than the samples,
	// it does not matter how many there are.
	many := flowplan.Reading{Raw: true, Samples: flowplan.Samples{Arrays: 1 << 30}, Bytes: segment.ArrayBytes << 30, Sharers: sharers, Shared: shared}
	choice := l.choose(r, many)
	if !l.byCost(r.node.cfg.Executor) || choice.Executor == ExecutorColumnar {
		return choice, nil
	}
	infos, err := r.stored(ctx, l.Members.Metrics)
	if err != nil {
		return choice, err
	}
	reading := flowplan.Reading{Raw: true, Series: int64(len(l.Members.Series)), Sharers: sharers, Shared: shared}
	maxT := int64(-1)
	for i := range infos {
		if in := &infos[i]; in.MaxT > from {
			addInfo(&reading, in)
			maxT = max(maxT, in.MaxT)
		}
	}
	reading.Partials = l.partials(reading, from+1, maxT)
	return l.choose(r, reading), nil
}

// stored describes all segments of the metrics.
func (r *round) stored(ctx context.Context, metrics []sequence.MetricID) ([]segment.Info, error) {
	key := fmt.Sprint(metrics)
	if infos, ok := r.storedCache[key]; ok {
		return infos, nil
	}
	infos, err := r.snap.Infos(ctx, metrics, sequence.Vector{})
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	if r.storedCache == nil {
		r.storedCache = map[string][]segment.Info{}
	}
	r.storedCache[key] = infos
	return infos, nil
}
