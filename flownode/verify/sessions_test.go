package verify

import (
	"maps"
	"slices"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/round/roundtest"
)

// TestVerifySessions: tables of sessions are what verifying finds anew, whatever state the
// flows are in; and each row that somebody changes, takes away, moves or adds is found.
func TestVerifySessions(t *testing.T) {
	var sessions int64
	for seed := range uint64(6) {
		w := roundtest.NewWorld(t, seed, 2, flowdef.ExecutorColumnar, `
flows:
  - {name: sums, promql: sum by (job) (temperature), session: {gap: 20s, max: 4m}}
  - {name: visits, promql: count by (n) (temperature), session: {gap: 40s, max: 10m, when: '> 20'}}
  - {name: grown, promql: sum by (job) (requests_total), session: {gap: 45s, max: 3m, value: increase}, emit: close}
`)
		for range 30 {
			w.Act()
			for _, id := range slices.Sorted(maps.Keys(w.Store.Flows)) {
				r := verify(w, id, everything())
				if r.Found > 0 {
					t.Fatalf("seed %d, %s: %d differences in %d sessions, first %+v\n%v", seed, r.Flow, r.Found, r.Windows, r.Differences[0], w.Log)
				}
				sessions += r.Windows
			}
		}
		w.Settle()
		for _, id := range slices.Sorted(maps.Keys(w.Store.Flows)) {
			mf := w.Store.Flows[id]
			var ends []int64 // of closed sessions that are compared
			for end, rows := range mf.Rows {
				if len(rows) > 0 && end <= mf.Flow.EmittedUntil && end > mf.Flow.BeginsAfter {
					ends = append(ends, end)
				}
			}
			slices.Sort(ends)
			if len(ends) < 4 || verify(w, id, everything()).Skipped[SkipChanging] > 0 {
				continue
			}
			want := map[DifferenceKind]bool{}
			for i, kind := range []DifferenceKind{CellDiffers, CellShifted, CellMissing, CellExtra} {
				end := ends[i]
				key := slices.Sorted(maps.Keys(mf.Rows[end]))[0]
				row := mf.Rows[end][key]
				switch kind {
				case CellDiffers:
					row.Value = 123456.5
				case CellShifted:
					row.Start -= 5
				case CellMissing:
					delete(mf.Rows[end], key)
					want[kind] = true
					continue
				case CellExtra:
					row.Columns = []string{"nobody"}
					key = "nobody"
				}
				mf.Rows[end][key], want[kind] = row, true
			}
			got := map[DifferenceKind]bool{}
			r := verify(w, id, everything())
			for _, d := range r.Differences {
				got[d.Kind] = true
			}
			if r.Found != 4 || !maps.Equal(got, want) {
				t.Errorf("seed %d, %s: of 4 changed rows %d are found, %v", seed, r.Flow, r.Found, got)
			}
		}
	}
	if sessions < 2000 {
		t.Errorf("only %d sessions were compared", sessions)
	}
}
