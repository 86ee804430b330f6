package results_test

import (
	"context"
	"slices"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/flownode/results"
	"laminar/flownode/round/roundtest"
	"laminar/sequence"
)

// counted counts how often a table is read.
type counted struct {
	read.Results
	times int
}

func (c *counted) StoredResults(ctx context.Context, f *progress.Flow, ends sequence.Span) ([]progress.Window, error) {
	c.times++
	return c.Results.StoredResults(ctx, f, ends)
}

// TestCorrectionReadsAhead: a correction that walks over many windows of a flow that reads
// itself reads its table a few times only, and each window's own rows.
func TestCorrectionReadsAhead(t *testing.T) {
	w := roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, `flows: [{name: total, promql: 'sum(errors_total) + (total or vector(0))', every: 1m}]`)
	for range 40 {
		w.Scrape(60_000, false)
		w.Tick()
	}
	w.SettleAll()
	snap, err := w.Store.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stored := w.Store.Flows[1]
	flow, tables := stored.Flow, &counted{Results: snap}
	feed := results.NewRecords().NewFeed(&flow)
	feed.Begin(flow.EmittedUntil)
	windows := 0
	for end := flow.EmittedUntil - 30*flow.Def.Every; end <= flow.EmittedUntil; end += flow.Def.Every {
		var rows []progress.Row
		for _, row := range stored.Rows[end] {
			rows = append(rows, row)
		}
		if len(rows) > 0 {
			windows++
		}
		feed.ShowUntil(end - flow.Def.Every)
		if err := feed.Know(t.Context(), tables, sequence.Span{After: end - 300_000, UpTo: end}); err != nil {
			t.Fatal(err)
		}
		feed.ShowUntil(flow.EmittedUntil)
		for _, other := range []bool{false, true} {
			if other = other && len(rows) > 0; other {
				rows = slices.Clone(rows)
				rows[0].Value++
			}
			if got, err := feed.Differs(t.Context(), tables, end, rows); err != nil || got != other {
				t.Fatalf("the window ending %d differs: %v (%v), want %v", end, got, err, other)
			}
		}
		feed.Window(end, true, rows, nil)
	}
	if windows < 20 || tables.times > 3 {
		t.Errorf("for %d windows with rows the table was read %d times", windows, tables.times)
	}
}
