package ingest

import (
	"bytes"
	"io"
	"log/slog"
	"math"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"laminar/ingest/refusal"
	"laminar/sequence/series"
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
	g.registry.newTable(readVariant)
	return g
}

// newTestRegistry makes a registry with a table whose keys are plain, after a
// variant and a zero byte if they hold one: so that one label set has many
// spellings.
func newTestRegistry(regions int) *registry {
	g := newRegistry(regions, refusal.Limits{Labels: 64, LabelBytes: 2000})
	g.newTable(readVariant)
	return g
}

func readVariant(dst []series.RawLabel, key []byte) ([]series.RawLabel, error) {
	return readPlain(dst, key[bytes.IndexByte(key, 0)+1:])
}

// keyOf spells labels in the order given; with other variants in other bytes.
func keyOf(variant string, labels []series.RawLabel) []byte {
	key := append([]byte(variant), 0)
	for _, l := range labels {
		key = append(append(append(append(key, l.Name...), 0xff), l.Value...), 0xff)
	}
	return key
}

// spelled finds or creates a series by a spelling.
func (g *registry) spelled(variant string, labels []series.RawLabel) (*knownSeries, refusal.Reason) {
	key, table := keyOf(variant, labels), g.tables[0]
	sp, refused := g.enter(table, table.hash(key), key, slices.Clone(labels))
	if refused != "" {
		return nil, refused
	}
	return sp.series, ""
}

// enter finds or creates the series of a spelling, as a sample of it does.
func (g *registry) enter(table *Spellings, hash uint32, key []byte, labels []series.RawLabel) (*Spelling, refusal.Reason) {
	var c candidate
	refused := g.resolve(&c, table, hash, key, labels)
	if refused == "" && c.spelling.series == nil {
		refused = g.register(&c)
	}
	return c.spelling, refused
}

// known is the series of a spelling, nil when it is not known.
func (g *registry) known(variant string, labels []series.RawLabel) *knownSeries {
	key, table := keyOf(variant, labels), g.tables[0]
	if sp := table.lookup(key, table.hash(key)); sp != nil {
		return sp.series
	}
	return nil
}

// rawLabelsOf is the labels that have these canonical bytes.
func rawLabelsOf(canonical string) []series.RawLabel {
	labels, _ := readPlain(nil, []byte(canonical))
	return labels
}
