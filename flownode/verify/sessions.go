package verify

// Comparing flows of sessions.
// Before: as with windows.
// After: every session that ends in the stretch asked for, found or stored, was compared,
// or counted under the reason for which it cannot be.
//
// PromQL has no sessions, so they are found anew from all raw samples that they depend on,
// series by series. They count as windows in the report.

import (
	"context"
	"fmt"
	"math"

	"laminar/flownode/function"
	"laminar/flownode/progress"
	"laminar/flownode/promeval"
	"laminar/flownode/read"
	"laminar/flownode/session"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// sessionReading is a stretch of time in which sessions end that are compared.
type sessionReading struct {
	ends sequence.Span
	skip func(end sequence.Time) Skip
}

// sessionHalves is of how many halves sessions are compared at a time.
const sessionHalves = 4

// readSessions reads what the next stretch needs; more is false when none is left. The
// part of the table that is compared is chosen by stretches.
func (r *verifying) readSessions(ctx context.Context, in *read.Reader, snap Snapshot, skip func(end sequence.Time) Skip) (one reading, more bool, err error) {
	rule := r.def.Session
	for r.next <= r.last {
		ends := sequence.Span{After: r.next - r.def.Every, UpTo: min(r.last, r.next+sessionHalves*rule.Half())}
		r.next = ends.UpTo + r.def.Every
		if !sampled(r.report.Flow, r.opts.Seed, ends.UpTo, r.opts.Sample) {
			continue
		}
		sel, err := in.Select(ctx, r.leaves, ends.After+1, ends.UpTo)
		if err != nil {
			return reading{}, false, err
		}
		stored, err := snap.Results(ctx, r.id, ends)
		if err != nil {
			return reading{}, false, fmt.Errorf("read results: %w", err)
		}
		return reading{samples: sel, stored: stored, session: sessionReading{ends, skip}}, true, nil
	}
	return reading{}, false, nil
}

// sessionKey is whose session ends when.
type sessionKey struct {
	key string
	end sequence.Time
}

// foundSession is a session as raw samples give it, and how far its value may be off.
type foundSession struct {
	session.Session
	columns []string
	slack   float64
}

// findSessions finds the sessions that end in the stretch.
func (r *verifying) findSessions(in *reading) map[sessionKey]foundSession {
	var (
		rule   = r.def.Session
		sizes  = session.Rule{Gap: rule.Gap, Max: rule.Max, Value: session.Sum}
		needs  = rule.Needs(in.session.ends)
		groups = map[string][]promeval.Series{}
		cols   = map[string][]string{}
		out    = map[sessionKey]foundSession{}
	)
	for _, x := range in.samples.Within(needs) {
		columns := r.layout.Row(x.Labels) // which are those of its group
		key := progress.RowKey(columns)
		groups[key], cols[key] = append(groups[key], x), columns
	}
	finder, sizer := session.NewFinder(rule), session.NewFinder(&sizes)
	for key, list := range groups {
		for n, x := range list {
			var runs, abs []session.Run // of one half
			half := int64(math.MinInt64)
			flush := func() {
				finder.Add(int32(n), runs)
				sizer.Add(int32(n), abs)
				runs, abs = nil, nil
			}
			for i, v := range x.Values {
				if segment.IsStale(v) || !rule.When.Holds(v) {
					continue
				}
				if end := rule.Grid().End(x.Times[i]); end != half {
					flush()
					half = end
				}
				runs, abs = rule.Add(runs, x.Times[i], v), sizes.Add(abs, x.Times[i], math.Abs(v))
			}
			flush()
		}
		found, total := finder.Find(in.session.ends, nil), sizer.Find(in.session.ends, nil)
		for i, s := range found {
			slack := function.Relative * total[i].Value
			switch {
			case finite(slack): // infinite values and NaN come out the same in any order
			case rule.Value == session.Sum, rule.Value == session.Avg: // so do these, up to rounding
				slack = function.Relative * math.MaxFloat64
			default:
				slack = 0
			}
			out[sessionKey{key, s.Last}] = foundSession{s, cols[key], slack}
		}
	}
	return out
}

// compareSessions looks for the differences of a stretch.
func (r *verifying) compareSessions(in *reading) {
	found := r.findSessions(in)
	var diffs []Difference
	// counted reports whether a session is compared; one that is not is counted here.
	counted := func(end sequence.Time) bool {
		if why := in.session.skip(end); why != "" {
			r.report.Skipped[why]++
			return false
		}
		r.report.Windows++
		r.report.Rows++
		return true
	}
	for _, w := range in.stored {
		for _, row := range w.Rows {
			at := sessionKey{progress.RowKey(row.Columns), w.End}
			want, known := found[at]
			delete(found, at)
			if !counted(w.End) {
				continue
			}
			d := Difference{End: w.End, Columns: row.Columns, Stored: row, Computed: progress.Row{Columns: row.Columns, Start: want.First, Value: want.Value}}
			switch {
			case !known:
				d.Kind, d.Computed = CellExtra, progress.Row{}
			case row.Start != want.First:
				d.Kind, d.StoredStart = CellShifted, row.Start
			case !progress.SameValue(row.Value, want.Value) && !(math.Abs(row.Value-want.Value) <= want.slack):
				d.Kind = CellDiffers
			}
			if d.Kind != "" {
				diffs = append(diffs, d)
			}
		}
	}
	for at, want := range found {
		// Before the flow's beginning rows may be missing.
		if at.end <= r.flow.BeginsAfter || !counted(at.end) {
			continue
		}
		diffs = append(diffs, Difference{
			Kind: CellMissing, End: at.end, Columns: want.columns, Computed: progress.Row{Columns: want.columns, Start: want.First, Value: want.Value},
		})
	}
	r.found(diffs)
}
