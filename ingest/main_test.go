package ingest

import (
	"bytes"
	"io"
	"log/slog"
	"math"
	"slices"
	"sync"
	"testing"

	"laminar/ingest/refusal"
	"laminar/ingest/registry"
	"laminar/leaktest"
	"laminar/sequence/series"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

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
	tables.Store(g, g.NewSpellings(readVariant))
	tb.Cleanup(func() { tables.Delete(g) })
	return g
}

// tables is the tables of the ingesters that tests made.
var tables sync.Map

// table is the one of an ingester. Its keys are plain, after a variant and a zero byte
// if they hold one: so that one label set has many spellings.
func (g *Ingester) table() *registry.Spellings {
	t, _ := tables.Load(g)
	return t.(*registry.Spellings)
}

func readVariant(dst []series.RawLabel, key []byte) ([]series.RawLabel, error) {
	return registry.ReadPlain(dst, key[bytes.IndexByte(key, 0)+1:])
}

// keyOf spells labels in the order given.
func keyOf(labels []series.RawLabel) []byte {
	key := []byte{0}
	for _, l := range labels {
		key = append(append(append(append(key, l.Name...), 0xff), l.Value...), 0xff)
	}
	return key
}

// spelled finds or creates a series by its labels, as a sample of it does.
func (g *Ingester) spelled(labels []series.RawLabel) (*registry.Series, refusal.Reason) {
	key := keyOf(labels)
	var c registry.Candidate
	refused := g.registry.Resolve(&c, g.table(), g.table().HashOf(key), key, slices.Clone(labels))
	if refused == "" && c.Spelling.Series == nil {
		refused = g.registry.Register(&c)
	}
	if refused != "" {
		return nil, refused
	}
	return c.Spelling.Series, ""
}

// rawLabelsOf is the labels that have these canonical bytes.
func rawLabelsOf(canonical string) []series.RawLabel {
	labels, _ := registry.ReadPlain(nil, []byte(canonical))
	return labels
}
