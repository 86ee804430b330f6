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

// spelled is resolve for a key of remote write 1.0.
func (g *registry) spelled(key []byte, labels []rawLabel, scratch []byte) (*series, []byte, Reason) {
	sp, scratch, refused := g.resolve(g.v1, g.v1.hash(key), key, labels, scratch)
	if refused != "" {
		return nil, scratch, refused
	}
	return sp.series, scratch, ""
}

// known is the series of a key of remote write 1.0, nil when it is not known.
func (g *registry) known(key []byte) *series {
	if sp := g.v1.lookup(key, g.v1.hash(key)); sp != nil {
		return sp.series
	}
	return nil
}
