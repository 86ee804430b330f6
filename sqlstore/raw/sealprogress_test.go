package raw_test

import (
	"testing"

	"laminar/sqlstore/raw"
)

// Whoever watches sealing hears of each step from its beginning to its end.
func TestSealTellsHowFarItIs(t *testing.T) {
	m := newRawModel(t, 7)
	for range 20 {
		m.flush()
	}
	var heard []raw.SealProgress
	report, err := m.store.Keeper.Seal(t.Context(), raw.SealOptions{Force: true, Progress: func(p raw.SealProgress) {
		heard = append(heard, p)
	}})
	if err != nil || len(report.Sealed) != 1 {
		t.Fatalf("seal: %+v, %v", report, err)
	}
	last := map[raw.SealStep]raw.SealProgress{}
	for _, p := range heard {
		before, begun := last[p.Step]
		if p.Generation != report.Sealed[0] || p.Done > p.Total || p.Total == 0 || begun && (p.Total != before.Total || p.Done < before.Done) {
			t.Errorf("after %+v it says %+v", before, p)
		}
		last[p.Step] = p
	}
	for _, step := range []raw.SealStep{raw.SealPartitions, raw.SealMerging} {
		if p, begun := last[step]; !begun || p.Done != p.Total {
			t.Errorf("%s ends with %+v", step, p)
		}
	}
}
