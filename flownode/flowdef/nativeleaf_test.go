package flowdef

import "testing"

// TestHistogramsKeepTheLimit: a limit needs all results of a window, also once a metric of
// the flow holds native histograms.
func TestHistogramsKeepTheLimit(t *testing.T) {
	for limit, byGroup := range map[int64]bool{0: true, 2: false} {
		f, err := Flow{Name: "f", Every: 60_000, Lookback: DefaultLookback, Limit: limit}.Define("rate(x[5m])")
		if err != nil {
			t.Fatal(err)
		}
		native := f.ForHistograms()
		if !native.Native() {
			t.Fatalf("rate is not kept for histograms: %s", native.Why)
		}
		if f.Expr.ByGroup != byGroup || native.ByGroup != byGroup {
			t.Errorf("limit %d: windows are computed by group: %v of floats and %v of histograms, want %v", limit, f.Expr.ByGroup, native.ByGroup, byGroup)
		}
	}
}
