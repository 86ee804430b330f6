package round_test

import (
	"strings"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/flownode/round/roundtest"
)

// TestRefillOvertaken: where retention overtakes a refill, at whatever window, it goes on
// with the first one that can be computed, says what it has left out, and fails.
func TestRefillOvertaken(t *testing.T) {
	const minute, last = int64(60_000), int64(20)
	for before := int64(0); before <= last+5; before += 4 { // windows whose samples are given up, in minutes after the beginning
		w := roundtest.NewWorld(t, 7, 1, flowdef.ExecutorColumnar, `
flows:
  - {name: sums, promql: 'sum by (job) (sum_over_time(temperature[3m]))', every: 1m}
  - {name: whole, promql: 'max(quantile_over_time(0.5, temperature[2m]))', every: 1m}
`)
		for range last {
			w.Scrape(minute, false)
		}
		w.Tick()
		if w.Store.Earliest = 0; before > 0 {
			w.Store.Earliest = w.Base + before*minute + 1
		}
		want := map[progress.FlowID]map[int64]map[string]progress.Row{}
		for id, f := range w.Store.Flows {
			want[id] = f.Rows
			f.Rows = map[int64]map[string]progress.Row{}
			for end := range want[id] {
				f.Rows[end] = map[string]progress.Row{"stays": {Columns: []string{"stays"}, Value: 1}}
			}
			from := f.Flow.BeginsAfter
			w.Store.Jobs = append(w.Store.Jobs, progress.Job{ID: int64(id), Flow: id, From: from, NextT: from, To: f.Flow.EmittedUntil, State: progress.JobQueued})
		}
		w.Tick()
		for _, job := range w.Store.Jobs {
			f := w.Store.Flows[job.Flow]
			def, left := &f.Flow.Def, 0
			for end := job.From + minute; end <= job.To; end += minute {
				_, stays := f.Rows[end]["stays"]
				switch gone := w.Store.Earliest > 0 && !def.Expr.Rebuildable(end, w.Store.Earliest); {
				case len(want[job.Flow][end]) == 0:
				case gone && !stays:
					t.Errorf("%d minutes given up: %s, window %+ds was computed without all its samples", before, def.Name, (end-w.Base)/1000)
				case gone:
					left++
				case stays || !sameRows(want[job.Flow][end], f.Rows[end]):
					t.Errorf("%d minutes given up: %s, window %+ds is %v, want %v", before, def.Name, (end-w.Base)/1000, f.Rows[end], want[job.Flow][end])
				}
			}
			if (left > 0) != (job.State == progress.JobFailed) || left == 0 && job.State != progress.JobDone || job.NextT != job.To || (left > 0) != strings.Contains(job.Error, "stay as they are") {
				t.Errorf("%d minutes given up: %s left out %d windows, and its job is %+v", before, def.Name, left, job)
			}
		}
	}
}
