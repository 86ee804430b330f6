package remotewrite

import (
	"io"
	"log/slog"
	"math"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func bits(v float64) uint64 { return math.Float64bits(v) }

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// newTestIngester makes an ingester that does not linger.
func newTestIngester(tb testing.TB, store Store, cfg Config) *Ingester {
	tb.Helper()
	if cfg.Regions == 0 {
		cfg.Regions = 1
	}
	if cfg.Linger == 0 {
		cfg.Linger = -1
	}
	if cfg.Logger == nil {
		cfg.Logger = quiet()
	}
	g, err := New(store, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}
