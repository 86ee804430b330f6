package remotewrite

import (
	"slices"
	"testing"

	"laminar/sequence/segment"
)

// TestKnownAlone: what finds series by what others wrote is there only while
// others write, finds every series all the same, and what a start has read is
// given back when it has been asked for.
func TestKnownAlone(t *testing.T) {
	var all []*series
	k := newKnown(func(yield func(*series) bool) { slices.Values(all)(yield) })
	wrote := func(ids ...segment.SeriesID) {
		var m segment.Missed
		for _, id := range ids {
			m.Lasts = append(m.Lasts, segment.Last{Series: id, T: int64(id) * 10, Value: 1})
		}
		k.merge(m)
	}
	m := &metric{name: "m"}
	wrote(1, 2, 3, 4, 5, 6, 7, 8) // a start: all of it is of others
	if k.byID != nil || len(k.others) != 8 {
		t.Fatalf("after a start: %d series, %d of others", len(k.byID), len(k.others))
	}
	var d draft
	for id := segment.SeriesID(1); id <= 8; id++ {
		s := &series{metric: m}
		k.found(s, 1, segment.CreatedSeries{ID: id})
		if s.lastT != int64(id)*10 || s.exact != exactFloat {
			t.Errorf("series %d is known up to %d", id, s.lastT)
		}
		all = append(all, s)
		k.apply(segment.Flush{}, &d, []*series{s}, 0)
	}
	if k.byID != nil || len(k.others) != 0 || k.most > 1 {
		t.Errorf("when all is asked for: %d series, %d of others, room for %d", len(k.byID), len(k.others), k.most)
	}
	for range 2 {
		wrote(3)
		if len(k.byID) != 8 || len(k.others) != 0 {
			t.Errorf("when another writes: %d series, %d of others", len(k.byID), len(k.others))
		}
		all[2].lastT = 0
		for range aloneAfter - 1 {
			k.apply(segment.Flush{}, &d, nil, 0)
		}
		if len(k.byID) != 8 {
			t.Errorf("dropped too early")
		}
		wrote(3)
		if all[2].lastT != 30 {
			t.Errorf("series 3 is known up to %d", all[2].lastT)
		}
		for range aloneAfter {
			k.apply(segment.Flush{}, &d, nil, 0)
		}
		if k.byID != nil {
			t.Errorf("%d series are kept for others who write no more", len(k.byID))
		}
	}
}
