package labelindex

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/sequence"
	"laminar/sequence/series"
)

// history is a database of which snapshots are taken. It is guarded by mu.
type history struct {
	mu     sync.Mutex
	vec    sequence.Vector
	ids    map[sequence.Region]map[sequence.Seq]sequence.FlushID
	series []series.Series
	now    sequence.Time
	reads  int // series that were read by snapshots

	removed int64
}

func newHistory() *history {
	return &history{vec: sequence.Vector{}, ids: map[sequence.Region]map[sequence.Seq]sequence.FlushID{1: {}, 2: {}}}
}

// flush creates series in a region.
func (h *history) flush(region sequence.Region, sets ...[]series.Label) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.vec[region]++
	h.ids[region][h.vec[region]] = sequence.FlushID{byte(rand.Int()), byte(rand.Int()), byte(rand.Int()), byte(rand.Int())}
	for _, set := range sets {
		h.series = append(h.series, series.Series{
			ID: sequence.SeriesID(len(h.series) + 1), Region: region, Seq: h.vec[region], Labels: set,
		})
	}
}

// snapshot is a snapshot of a history. It is a Source.
type snapshot struct {
	h    *history
	pos  sequence.Position
	ids  map[sequence.Region]map[sequence.Seq]sequence.FlushID
	list []series.Series
}

func (h *history) snapshot() *snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now++
	s := &snapshot{h: h, list: slices.Clone(h.series), ids: map[sequence.Region]map[sequence.Seq]sequence.FlushID{}}
	s.pos = sequence.Position{Vector: maps.Clone(h.vec), Removed: h.removed, Flushes: map[sequence.Region]sequence.FlushID{}, Now: h.now}
	for r, seq := range h.vec {
		s.pos.Flushes[r] = h.ids[r][seq]
		s.ids[r] = maps.Clone(h.ids[r])
	}
	return s
}

func (s *snapshot) Position() sequence.Position { return s.pos }

func (s *snapshot) CheckHistory(_ context.Context, vec sequence.Vector, flushes map[sequence.Region]sequence.FlushID) error {
	for r, seq := range vec {
		if seq > 0 && s.ids[r][seq] != flushes[r] {
			return sequence.ErrHistoryChanged
		}
	}
	return nil
}

func (s *snapshot) Series(_ context.Context, metrics []string, after sequence.Vector, _ ...string) (out []series.Series, err error) {
	for _, one := range s.list {
		if one.Seq > after.At(one.Region) && slices.Contains(metrics, one.Labels[0].Value) {
			out = append(out, one)
		}
	}
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.h.reads += len(out)
	return out, nil
}

func set(metric, job string, i int) []series.Label {
	return []series.Label{{Name: "__name__", Value: metric}, {Name: "i", Value: fmt.Sprint(i)}, {Name: "job", Value: job}}
}

// check compares what the index has of a metric with the snapshot.
func check(t *testing.T, x *Index, s *snapshot, metric string) {
	t.Helper()
	got, err := x.Series(t.Context(), s, metric)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(got, func(a, b Series) int { return labels.Compare(a.Labels, b.Labels) }) {
		t.Fatalf("not in order: %v", got)
	}
	byID := map[sequence.SeriesID]string{}
	jobs := map[string]bool{}
	for _, one := range got {
		byID[one.ID] = one.Labels.String()
	}
	for _, one := range s.list {
		if one.Labels[0].Value != metric {
			continue
		}
		jobs[one.Labels[2].Value] = true
		if want := labelSet(one.Labels).String(); byID[one.ID] != want {
			t.Fatalf("series %d is %q, want %s", one.ID, byID[one.ID], want)
		}
	}
	values, err := x.Values(t.Context(), s, metric, "job")
	if err != nil {
		t.Fatal(err)
	}
	for job := range jobs {
		if !slices.Contains(values, job) {
			t.Fatalf("values %v lack %s", values, job)
		}
	}
	if !slices.IsSorted(values) || len(slices.Compact(slices.Clone(values))) != len(values) {
		t.Fatalf("values %v are not in order", values)
	}
	names, err := x.Names(t.Context(), s, metric)
	if err != nil || len(jobs) > 0 && len(names) != 3 {
		t.Fatalf("names %v, %v", names, err)
	}
}

// TestIndexFollows: whatever is created, by whichever snapshot it is asked for, the index
// has every series of the snapshot with its own labels, and reads each once.
func TestIndexFollows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	h, x := newHistory(), New(1<<30)
	var old []*snapshot
	for i := range 300 {
		switch rng.IntN(3) {
		case 0:
			h.flush(sequence.Region(1+rng.IntN(2)), set([]string{"a", "b"}[rng.IntN(2)], fmt.Sprint("job", rng.IntN(20)), i))
		case 1:
			old = append(old, h.snapshot())
		}
		if rng.IntN(3) == 0 && len(old) > 0 {
			check(t, x, old[rng.IntN(len(old))], "a") // one that is older than the index, mostly
		}
		check(t, x, h.snapshot(), []string{"a", "b", "none"}[rng.IntN(3)])
	}
	check(t, x, h.snapshot(), "a")
	check(t, x, h.snapshot(), "b")
	if h.reads != len(h.series) {
		t.Errorf("%d series were read for %d", h.reads, len(h.series))
	}
}

// TestIndexForgetsHistory: after a restore the same ids can be other series.
func TestIndexForgetsHistory(t *testing.T) {
	for name, more := range map[string]int{"behind": 0, "level": 1, "ahead": 5} {
		t.Run(name, func(t *testing.T) {
			h, x := newHistory(), New(1<<30)
			h.flush(1, set("a", "kept", 0))
			backup := h.snapshot()
			h.flush(1, set("a", "lost", 1))
			check(t, x, h.snapshot(), "a")
			restored := newHistory()
			restored.now = h.now
			restored.vec, restored.series, restored.ids = maps.Clone(backup.pos.Vector), slices.Clone(backup.list), backup.ids
			restored.ids[2] = map[sequence.Seq]sequence.FlushID{}
			for i := range more {
				restored.flush(1, set("a", "other", 100+i))
			}
			s := restored.snapshot()
			check(t, x, s, "a")
			if got, err := x.Series(t.Context(), s, "a"); err != nil || len(got) != 1+more {
				t.Errorf("%v, %v: want %d series", got, err, 1+more)
			}
		})
	}
}

// TestIndexForgetsRemoved: a series that has been removed and created again, with another
// id, is there once.
func TestIndexForgetsRemoved(t *testing.T) {
	h, x := newHistory(), New(1<<30)
	h.flush(1, set("a", "job", 0), set("a", "gone", 1), set("a", "again", 2))
	check(t, x, h.snapshot(), "a")
	h.series = slices.Delete(h.series, 1, 3)
	h.removed += 2
	h.flush(1) // a removal is a flush
	h.flush(2, []series.Label{})
	h.series[1] = series.Series{ID: 77, Region: 2, Seq: h.vec[2], Labels: set("a", "again", 2)}
	check(t, x, h.snapshot(), "a")
	if got, err := x.Series(t.Context(), h.snapshot(), "a"); err != nil || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	if values, err := x.Values(t.Context(), h.snapshot(), "a", "job"); err != nil || len(values) != 2 {
		t.Errorf("%v, %v", values, err)
	}
}

// TestIndexIsBounded: what was asked for longest goes first, and what was given out stays.
func TestIndexIsBounded(t *testing.T) {
	h, x := newHistory(), New(20_000)
	for m := range 50 {
		var sets [][]series.Label
		for i := range 20 {
			sets = append(sets, set(fmt.Sprint("m", m), "job", i))
		}
		h.flush(1, sets...)
	}
	s := h.snapshot()
	first, err := x.Series(t.Context(), s, "m0")
	if err != nil {
		t.Fatal(err)
	}
	for m := range 50 {
		check(t, x, s, fmt.Sprint("m", m))
		if x.Used() > 20_000 {
			t.Fatalf("%d bytes are used", x.Used())
		}
	}
	if len(first) != 20 || first[3].Labels.Get("__name__") != "m0" {
		t.Errorf("a set that was given out has changed: %v", first)
	}
	before := h.reads
	check(t, x, s, "m49")
	if h.reads != before {
		t.Error("what was asked for last is not kept")
	}
	check(t, x, s, "m0")
	if h.reads != before+20 {
		t.Error("what was asked for first is still there")
	}
}

// TestIndexAtOnce asks from many goroutines while series are created.
func TestIndexAtOnce(t *testing.T) {
	h, x := newHistory(), New(10_000)
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			for i := range 100 {
				h.flush(sequence.Region(1+g%2), set(fmt.Sprint("m", i%5), fmt.Sprint(g), g*1000+i))
				check(t, x, h.snapshot(), fmt.Sprint("m", (i+g)%5))
			}
		})
	}
	group.Wait()
}
