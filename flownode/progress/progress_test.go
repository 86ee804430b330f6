package progress

import (
	"testing"

	"laminar/flownode/pane"
	"laminar/sequence"
)

// TestClosedUntil: a window is closed from the moment that the watermark is at
// its end, and none is before the first sample.
func TestClosedUntil(t *testing.T) {
	for watermark, want := range map[int64]int64{0: 0, 59_999: 0, 60_000: 60_000, 60_001: 60_000, 119_999: 60_000} {
		p := Progress{Watermark: watermark}
		if got := p.ClosedUntil(pane.Windows{Every: 60_000}); got != want {
			t.Errorf("watermark %d: closed until %d, want %d", watermark, got, want)
		}
	}
	p := Progress{Watermark: sequence.NoTime}
	if got := p.ClosedUntil(pane.Windows{Every: 60_000}); got >= 0 {
		t.Errorf("without a watermark windows up to %d are closed", got)
	}
}
