package registry

import (
	"bytes"
	"slices"
	"testing"

	"laminar/ingest/refusal"
	"laminar/leaktest"
	"laminar/sequence/series"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

// someLabels is the labels of a series.
var someLabels = []series.RawLabel{{Name: []byte("__name__"), Value: []byte("m")}, {Name: []byte("job"), Value: []byte("a")}}

// newTestRegistry makes a registry with a table whose keys are plain, after a
// variant and a zero byte if they hold one: so that one label set has many
// spellings.
func newTestRegistry(regions int) *Registry {
	g := New(regions, refusal.Limits{Labels: 64, LabelBytes: 2000})
	g.NewTable(readVariant)
	return g
}

func readVariant(dst []series.RawLabel, key []byte) ([]series.RawLabel, error) {
	return ReadPlain(dst, key[bytes.IndexByte(key, 0)+1:])
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
func (g *Registry) spelled(variant string, labels []series.RawLabel) (*Series, refusal.Reason) {
	key, table := keyOf(variant, labels), g.tables[0]
	sp, refused := g.enter(table, table.HashOf(key), key, slices.Clone(labels))
	if refused != "" {
		return nil, refused
	}
	return sp.Series, ""
}

// enter finds or creates the series of a spelling, as a sample of it does.
func (g *Registry) enter(table *Spellings, hash uint32, key []byte, labels []series.RawLabel) (*Spelling, refusal.Reason) {
	var c Candidate
	refused := g.Resolve(&c, table, hash, key, labels)
	if refused == "" && c.Spelling.Series == nil {
		refused = g.Register(&c)
	}
	return c.Spelling, refused
}

// known is the series of a spelling, nil when it is not known.
func (g *Registry) known(variant string, labels []series.RawLabel) *Series {
	key, table := keyOf(variant, labels), g.tables[0]
	if sp := table.lookup(key, table.HashOf(key)); sp != nil {
		return sp.Series
	}
	return nil
}

// rawLabels is the labels that have these canonical bytes.
func rawLabels(canonical string) []series.RawLabel {
	labels, _ := ReadPlain(nil, []byte(canonical))
	return labels
}
