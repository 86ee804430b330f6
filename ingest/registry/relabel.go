package registry

import (
	"bytes"

	"laminar/ingest/refusal"
	"laminar/ingest/replica"
	"laminar/sequence/series"
)

// Fate is what is to be known of a spelling before its samples are stored: 0 for
// nothing, which is the usual case, or the pair that it names, or the rule of relabelling
// that leaves its series out. It is one number, because millions of spellings have it and
// every sample looks at it.
type Fate uint32

// outside is set in the fate of a spelling whose series is left out. Pairs are few
// (replica.MaxPairs), so no pair has so high a number.
const outside = Fate(1 << 31)

func ofPair(pair replica.PairID) Fate { return Fate(pair) }

func leftOut(by int) Fate { return outside | Fate(by) }

// Pair is which sender writes a series this way, 0 where it names no replica.
func (f Fate) Pair() replica.PairID {
	if f&outside != 0 {
		return 0
	}
	return replica.PairID(f)
}

// LeftOutBy is the number, from 1, of the rule of relabelling that leaves the series out;
// 0 where it is stored.
func (f Fate) LeftOutBy() int {
	if f&outside == 0 {
		return 0
	}
	return int(f &^ outside)
}

// relabel makes of the labels of a candidate what the rules make of them, or says which
// of them leaves the series out.
func (g *Registry) relabel(c *Candidate) (leftOutBy int, refused refusal.Reason) {
	after, leftOutBy := g.Relabel.Apply(series.ParseCanonical(string(c.canonical)))
	if leftOutBy != 0 {
		return leftOutBy, ""
	}
	c.raw = c.raw[:0]
	for _, l := range after {
		c.raw = append(c.raw, series.RawLabel{Name: []byte(l.Name), Value: []byte(l.Value)})
	}
	canonical, name, refused := refusal.Canonical(nil, c.raw, g.limits)
	switch refused {
	case "":
	case refusal.TooManyLabels, refusal.LabelsTooLong:
		return 0, refused
	default: // true of the labels that the rules have made, and not of those that were sent
		return 0, refusal.Relabelled
	}
	if !bytes.Equal(canonical, c.canonical) {
		c.canonical, c.derived = append(c.canonical[:0], canonical...), true
	}
	c.name = name
	return 0, ""
}

// Relabelled is the name of a metric of which labels were sent, after relabelling; leftOut
// says that the series that has them is left out.
func (g *Registry) Relabelled(labels []series.RawLabel) (metric string, leftOut bool, refused refusal.Reason) {
	var c Candidate
	if c.canonical, c.name, refused = refusal.Canonical(nil, labels, g.limits); refused != "" || g.Relabel == nil {
		return string(c.name), false, refused
	}
	by, refused := g.relabel(&c)
	return string(c.name), by != 0, refused
}

// mostOutside bounds the memory for spellings whose series are left out, in bytes. They
// are remembered so that relabelling costs nothing for what comes again. Beyond the bound
// all of them are forgotten, and learnt once more.
const mostOutside = 32 << 20

// leaveOut remembers a spelling whose series is left out.
func (g *Registry) leaveOut(sp *Spelling) {
	g.mu.Lock()
	defer g.mu.Unlock()
	takes := spellingBytes + int64(len(sp.key))
	most := int64(mostOutside)
	if g.limits.SeriesBytes > 0 {
		most = min(most, g.limits.SeriesBytes/8)
	}
	if g.outside+takes > most {
		for _, t := range g.tables {
			t.removeLocked(func(sp *Spelling) bool { return sp.Fate.LeftOutBy() != 0 })
		}
		g.outside = 0
	}
	if sp.table.insertLocked(sp) {
		g.outside += takes
	}
	g.countLocked()
}
