package segment

import "slices"

// Merge is the sealing merge: all samples of hot segments of one region, one
// metric and one time bucket, sorted by (series, time), each (series, time)
// once. in must stand in ascending (sequence, segment number); of two samples
// of one series and time the later one wins, so the highest sequence does (I3).
// A stale marker overwrites and is overwritten like every sample.
//
// Samples before earliest (milliseconds) are left out: retention has given them
// up. The result has at most limit samples in a segment and is cut between
// series where the segment before is at least half full, so that segments hold
// disjoint series unless one series alone is larger. All carry the smallest and
// the largest sequence of the whole merge, whichever samples they hold.
//
// It is pure: in is not changed, and the result shares no memory with it.
func Merge(in []Segment, earliest int64, limit int) []Segment {
	cols := gather(in, earliest)
	if len(cols.times) == 0 {
		return nil
	}
	cols = cols.bySeries()
	cols.sortRuns()
	lo, hi := in[0].MinSeq, in[0].MaxSeq
	for i := range in {
		lo, hi = min(lo, in[i].MinSeq), max(hi, in[i].MaxSeq)
	}
	head := Segment{Region: in[0].Region, Metric: in[0].Metric, MinSeq: lo, MaxSeq: hi, Sealed: true}
	return cols.cut(head, limit)
}

// columns are samples as parallel arrays with absolute times.
type columns struct {
	series []SeriesID
	times  []int64
	vals   []float64
}

func newColumns(n int) columns {
	return columns{series: make([]SeriesID, n), times: make([]int64, n), vals: make([]float64, n)}
}

// gather puts all samples that are not before earliest behind one another.
func gather(in []Segment, earliest int64) columns {
	n := 0
	for i := range in {
		n += in[i].Len()
	}
	out := newColumns(n)
	n = 0
	for i := range in {
		for j := range in[i].Series {
			if t := in[i].Time(j); t >= earliest {
				out.series[n], out.times[n], out.vals[n] = in[i].Series[j], t, in[i].Values[j]
				n++
			}
		}
	}
	return columns{out.series[:n], out.times[:n], out.vals[:n]}
}

// bySeries sorts by series and keeps the order within one: a counting sort, as
// segments hold few series many times.
func (c columns) bySeries() columns {
	next := make(map[SeriesID]int)
	for _, id := range c.series {
		next[id]++
	}
	ids := make([]SeriesID, 0, len(next))
	for id := range next {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	at := 0
	for _, id := range ids {
		at, next[id] = at+next[id], at
	}
	out := newColumns(len(c.series))
	for i, id := range c.series {
		to := next[id]
		next[id]++
		out.series[to], out.times[to], out.vals[to] = id, c.times[i], c.vals[i]
	}
	return out
}

// sortRuns sorts each series' run by time and keeps the last sample of a time.
func (c *columns) sortRuns() {
	kept := 0
	for from := 0; from < len(c.series); {
		to := c.runEnd(from)
		c.sortRun(from, to)
		for i := from; i < to; i++ {
			if i+1 < to && c.times[i+1] == c.times[i] {
				continue
			}
			c.series[kept], c.times[kept], c.vals[kept] = c.series[i], c.times[i], c.vals[i]
			kept++
		}
		from = to
	}
	*c = columns{c.series[:kept], c.times[:kept], c.vals[:kept]}
}

func (c *columns) runEnd(from int) int {
	to := from + 1
	for to < len(c.series) && c.series[to] == c.series[from] {
		to++
	}
	return to
}

// sortRun sorts the run [from, to) by time, stably. Nearly all runs are sorted
// already.
func (c *columns) sortRun(from, to int) {
	times := c.times[from:to]
	if slices.IsSorted(times) {
		return
	}
	type sample struct {
		t int64
		v float64
	}
	run := make([]sample, to-from)
	for i := range run {
		run[i] = sample{times[i], c.vals[from+i]}
	}
	slices.SortStableFunc(run, func(a, b sample) int {
		switch {
		case a.t < b.t:
			return -1
		case a.t > b.t:
			return 1
		}
		return 0
	})
	for i := range run {
		times[i], c.vals[from+i] = run[i].t, run[i].v
	}
}

// cut makes segments of the sorted samples.
func (c *columns) cut(head Segment, limit int) []Segment {
	var out []Segment
	for from := 0; from < len(c.series); {
		to := c.cutPoint(from, limit)
		out = append(out, c.segment(head, from, to))
		from = to
	}
	return out
}

// cutPoint is where the segment that begins at from ends.
func (c *columns) cutPoint(from, limit int) int {
	if from+limit >= len(c.series) {
		return len(c.series)
	}
	to := from + limit
	for cut := to; cut >= from+limit/2 && cut > from; cut-- {
		if c.series[cut] != c.series[cut-1] {
			return cut
		}
	}
	return to
}

func (c *columns) segment(head Segment, from, to int) Segment {
	seg := head
	seg.MinT, seg.MaxT = slices.Min(c.times[from:to]), slices.Max(c.times[from:to])
	seg.Base = seg.MinT
	seg.Series = slices.Clone(c.series[from:to])
	seg.Values = slices.Clone(c.vals[from:to])
	seg.Offsets = make([]int32, to-from)
	for i, t := range c.times[from:to] {
		seg.Offsets[i] = int32(t - seg.Base)
		seg.HasStale = seg.HasStale || IsStale(seg.Values[i])
	}
	return seg
}
