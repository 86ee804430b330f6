package round_test

import (
	"context"
	"testing"

	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
	"laminar/flownode/round/roundtest"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// TestLateCostsItsOwn sends 1,000 late samples over 20 old windows of a flow
// over 100,000 series (a fifth of both with -short): what is read, folded and written follows the touched
// groups and panes, and nothing else. The counts are of samples that were taken
// in from what was read, and of rows sent to the table.
func TestLateCostsItsOwn(t *testing.T) {
	series, late := 100_000, 1000
	if testing.Short() {
		series, late = 20_000, 200
	}
	const scrapes, windows = 22, 20
	for _, c := range []struct {
		name, promql string
		state        bool // the windows' panes are in memory
		samples      int
		rows         int
	}{
		// In memory a late sample is folded as it is where order does not matter,
		// else its own series is read in its own pane: one sample is there.
		{"sum by series in memory", "sum by (instance) (sum_over_time(m[1m]))", true, late, late},
		{"rate by series in memory", "sum by (instance) (rate(m[2m]))", true, late + 2*late, 2 * late},
		{"sum by job in memory", "sum by (job) (sum_over_time(m[1m]))", true, late, windows * 10},
		// From raw each window's groups are read, one sample of each series and
		// the late ones; and the panes that the open window needs, with theirs.
		{"sum by series from raw", "sum by (instance) (sum_over_time(m[1m]))", false, late + 2*late + 3*series + late/windows, late},
		{"sum by job from raw", "sum by (job) (sum_over_time(m[1m]))", false, late + series*windows + late + 3*series + late/windows, windows * 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := roundtest.NewBenchWorld(t, c.promql, series, 0)
			w.Reading.AtOnce = series * windows * 2
			sink := &counting{}
			w.Results = sink
			for range scrapes {
				w.Clock += 45_000
				w.BenchScrape(series)
			}
			quiesce(w, sink)
			for _, f := range w.Flows {
				if !c.state {
					f.Leaves.DropState()
				}
			}
			seg := segment.Segment{Metric: 1, Base: segment.Bucket(w.Base), MinT: w.Clock}
			for n := range late {
				at := w.Base + int64(1+n%windows)*60_000 - 30_000 + int64(n)
				seg.Series = append(seg.Series, sequence.SeriesID((n*97+n/windows)%series+1))
				seg.Offsets = append(seg.Offsets, int32(at-seg.Base))
				seg.Values = append(seg.Values, 1e6)
				seg.MinT, seg.MaxT = min(seg.MinT, at), max(seg.MaxT, at)
			}
			w.Store.Append(1, seg)
			samples, rows := quiesce(w, sink)
			t.Logf("%d samples, %d rows", samples, rows)
			if samples != int64(c.samples) {
				t.Errorf("%d samples were read, want %d", samples, c.samples)
			}
			if rows != c.rows {
				t.Errorf("%d rows were written, want %d", rows, c.rows)
			}
		})
	}
}

// counting counts the rows of rounds and stores nothing.
type counting struct{ rows int }

func (c *counting) Commit(_ context.Context, rounds []progress.Round) ([]progress.Outcome, error) {
	for i := range rounds {
		for _, w := range rounds[i].Windows {
			c.rows += len(w.Rows) + len(w.Gone)
		}
	}
	return make([]progress.Outcome, len(rounds)), nil
}

// quiesce runs rounds until nothing is left to do and says how many samples they
// took in and how many rows they sent.
func quiesce(w *roundtest.World, sink *counting) (samples int64, rows int) {
	w.T.Helper()
	read, sent := w.Samples, sink.rows
	for {
		more, err := w.Round(context.Background())
		if err != nil {
			w.T.Fatal(err)
		}
		dirty := 0
		for _, f := range w.Flows {
			dirty += f.DirtyWindows.Len()
		}
		if !more && dirty == 0 {
			return w.Samples - read, sink.rows - sent
		}
		w.Store.Now += flowplan.DirtyQuiet
	}
}
