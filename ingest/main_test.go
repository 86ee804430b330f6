package ingest

import (
	"encoding/binary"
	"io"
	"log/slog"
	"math"
	"slices"
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

// keyV1 spells labels as a remote write 1.0 message does, in the order given;
// with other variants in other bytes.
func keyV1(variant string, labels []rawLabel) (key []byte) {
	field := func(dst []byte, tag byte, value []byte) []byte {
		return append(binary.AppendUvarint(append(dst, tag), uint64(len(value))), value...)
	}
	for _, l := range labels {
		label := field(field(nil, 1<<3|wireBytes, l.name), 2<<3|wireBytes, l.value)
		key = field(key, 1<<3|wireBytes, field(label, 15<<3|wireBytes, []byte(variant)))
	}
	return key
}

// spelled finds or creates a series by a spelling of remote write 1.0.
func (g *registry) spelled(variant string, labels []rawLabel) (*knownSeries, Reason) {
	key := keyV1(variant, labels)
	sp, _, refused := g.resolve(g.v1, g.v1.hash(key), key, slices.Clone(labels), nil)
	if refused != "" {
		return nil, refused
	}
	return sp.series, ""
}

// known is the series of a spelling of remote write 1.0, nil when it is not
// known.
func (g *registry) known(variant string, labels []rawLabel) *knownSeries {
	key := keyV1(variant, labels)
	if sp := g.v1.lookup(key, g.v1.hash(key)); sp != nil {
		return sp.series
	}
	return nil
}
