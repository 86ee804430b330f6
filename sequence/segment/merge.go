package segment

// The merge that makes sealed segments of hot ones.
// Before: the hot segments of one region, metric and bucket, with S1 to S5.
// After: the same samples, each (series, time) once, in segments with S1 to S3 and
// S6 to S8. Apart from samples that retention has given up, every reading gives the
// same values afterwards.
//
// The steps: concatenate (gather), sort by series (bySeries), sort each series by
// time and drop all but the last of equal times (sortRuns), separate floats from
// histograms (split), divide (cut). Equal times are dropped before floats and
// histograms are separated, because they overwrite each other.

import (
	"slices"

	"laminar/sequence"
)

// Merge is the sealing merge. It returns all samples of hot segments of one
// region, one metric and one time bucket, sorted by (series, time), with each
// (series, time) once (S6).
//
// in must be in ascending (sequence, segment number). Of two samples of one
// series and time the later one wins, which is the one with the highest
// sequence (I3). Stale markers and histograms follow the same rule as floats.
// Samples before earliest (ms since the epoch) are left out, because retention
// has given them up.
//
// A segment of the result has at most limit samples. It ends at a border
// between two series once it is half full, so segments hold disjoint series
// unless one series alone is larger. Histograms go into segments of their own
// (S8), which their bytes can end earlier. All segments carry the smallest and
// the largest sequence of the whole merge, whichever samples they hold: which
// sample had which sequence is what sealing forgets.
//
// Merge does not change in, and the result shares no memory with it.
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
	if cols.hists == nil {
		return cols.cut(head, limit)
	}
	floats, hists := cols.split()
	return append(floats.cut(head, limit), hists.cut(head, limit)...)
}

// columns are samples as parallel arrays, all of one length. times are milliseconds
// since the epoch: the segments that are merged have different bases. hists is nil
// if all samples are floats; otherwise it is as long as the others and holds nil for
// each float.
//
// A merge holds two of these, at 20 bytes a sample without histograms, beside its
// result. The caller bounds how many samples it merges at a time.
type columns struct {
	series []sequence.SeriesID
	times  []int64
	vals   []float64
	hists  [][]byte
}

func newColumns(n int, hists bool) columns {
	c := columns{series: make([]sequence.SeriesID, n), times: make([]int64, n), vals: make([]float64, n)}
	if hists {
		c.hists = make([][]byte, n)
	}
	return c
}

// gather concatenates the samples of all segments that are at earliest or
// later. The order of the segments is kept, so the last of several samples of
// one time has the highest sequence.
func gather(in []Segment, earliest int64) columns {
	n, hists := 0, false
	for i := range in {
		n += in[i].Len()
		hists = hists || in[i].Histograms != nil
	}
	out := newColumns(n, hists)
	n = 0
	for i := range in {
		for j := range in[i].Series {
			if t := in[i].Time(j); t >= earliest {
				out.series[n], out.times[n], out.vals[n] = in[i].Series[j], t, in[i].Values[j]
				if in[i].Histograms != nil {
					out.hists[n] = in[i].Histograms[j]
				}
				n++
			}
		}
	}
	return out.first(n)
}

// first returns the first n samples. It shares the memory of c.
func (c columns) first(n int) columns {
	c.series, c.times, c.vals = c.series[:n], c.times[:n], c.vals[:n]
	if c.hists != nil {
		c.hists = c.hists[:n]
	}
	return c
}

// bySeries returns the samples sorted by series, with the order within each
// series kept. It is a counting sort, because the segments of a bucket hold few
// series many times. The result has memory of its own.
func (c columns) bySeries() columns {
	next := make(map[sequence.SeriesID]int)
	for _, id := range c.series {
		next[id]++
	}
	ids := make([]sequence.SeriesID, 0, len(next))
	for id := range next {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	at := 0
	for _, id := range ids {
		at, next[id] = at+next[id], at
	}
	out := newColumns(len(c.series), c.hists != nil)
	for i, id := range c.series {
		to := next[id]
		next[id]++
		out.series[to], out.times[to], out.vals[to] = id, c.times[i], c.vals[i]
		if c.hists != nil {
			out.hists[to] = c.hists[i]
		}
	}
	return out
}

// sortRuns sorts the run of each series by time, in place, and keeps only the
// last sample of each time. It needs the samples sorted by series.
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
			if c.hists != nil {
				c.hists[kept] = c.hists[i]
			}
			kept++
		}
		from = to
	}
	*c = c.first(kept)
}

// runEnd is the index after the last sample of the series that begins at from.
func (c *columns) runEnd(from int) int {
	to := from + 1
	for to < len(c.series) && c.series[to] == c.series[from] {
		to++
	}
	return to
}

// sortRun sorts the run [from, to) by time. The sort is stable, so that of
// samples of one time the last stays the last. Nearly all runs are sorted
// already and cost one look; only others allocate.
func (c *columns) sortRun(from, to int) {
	times := c.times[from:to]
	if slices.IsSorted(times) {
		return
	}
	type sample struct {
		t    int64
		v    float64
		hist []byte
	}
	run := make([]sample, to-from)
	for i := range run {
		run[i] = sample{t: times[i], v: c.vals[from+i]}
		if c.hists != nil {
			run[i].hist = c.hists[from+i]
		}
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
		if c.hists != nil {
			c.hists[from+i] = run[i].hist
		}
	}
}

// split separates floats from histograms (S8). Both keep their order, so both
// stay sorted by (series, time).
func (c *columns) split() (floats, hists columns) {
	hists.hists = [][]byte{}
	for i, payload := range c.hists {
		to := &floats
		if payload != nil {
			to = &hists
			to.hists = append(to.hists, payload)
		}
		to.series, to.times, to.vals = append(to.series, c.series[i]), append(to.times, c.times[i]), append(to.vals, c.vals[i])
	}
	return floats, hists
}

// cut divides the sorted samples into segments of at most limit samples each.
// head gives the fields that all of them share.
func (c *columns) cut(head Segment, limit int) []Segment {
	var out []Segment
	for from := 0; from < len(c.series); {
		to := c.cutPoint(from, limit)
		out = append(out, c.segment(head, from, to))
		from = to
	}
	return out
}

// MaxHistogramBytes bounds the payloads of one segment, so that a reader's
// buffers stay small; a single histogram may be larger.
const MaxHistogramBytes = 4 << 20

// HistogramsWithin is how many of the payloads, from the first on, fit into one
// segment: at most limit and at least one. There must be one.
func HistogramsWithin(payloads [][]byte, limit int) int {
	bytes := 0
	for n, payload := range payloads[:min(limit, len(payloads))] {
		if bytes += len(payload); bytes > MaxHistogramBytes && n > 0 {
			return n
		}
	}
	return min(limit, len(payloads))
}

// cutPoint is where the segment that begins at from ends, the end excluded. It
// is the last border between two series in the second half of the segment. If
// there is none, the segment is full and its last series goes on in the next.
func (c *columns) cutPoint(from, limit int) int {
	if c.hists != nil {
		limit = HistogramsWithin(c.hists[from:], limit)
	}
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

// segment copies the samples [from, to) into a segment with head's identity and
// sets what depends on them: S1 to S3, S7 and S8.
func (c *columns) segment(head Segment, from, to int) Segment {
	seg := head
	seg.MinT, seg.MaxT = slices.Min(c.times[from:to]), slices.Max(c.times[from:to])
	seg.Base = seg.MinT
	seg.Series = slices.Clone(c.series[from:to])
	seg.Values = slices.Clone(c.vals[from:to])
	if c.hists != nil {
		seg.Histograms = cloneBytes(c.hists[from:to])
	}
	seg.Offsets = make([]int32, to-from)
	for i, t := range c.times[from:to] {
		seg.Offsets[i] = int32(t - seg.Base)
		seg.HasStale = seg.HasStale || IsStale(seg.Values[i])
	}
	return seg
}

// cloneBytes is a deep copy in one allocation. Each slice ends at its capacity,
// so appending to one cannot overwrite the next.
func cloneBytes(in [][]byte) [][]byte {
	n := 0
	for _, b := range in {
		n += len(b)
	}
	all, out := make([]byte, 0, n), make([][]byte, len(in))
	for i, b := range in {
		from := len(all)
		all = append(all, b...)
		out[i] = all[from:len(all):len(all)]
	}
	return out
}
