package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"laminar/ingest/ingesttest"
	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/nativehist/nativehisttest"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// TestHistoriesAgainstModel runs random histories of several writers to one
// region, with commits in doubt, restores, evictions, series that lapse, repeats, late and
// overwriting samples, floats and histograms, and holds every commit against a naive model:
//
//   - the content is what the arrivals of the committed flushes give, the
//     last to arrive winning;
//   - every sample is one of a series that is there;
//   - no flush holds a (series, time) twice, and S1 to S5, S7 and S8 hold;
//   - an ordered sample is newer than all earlier ones of its series;
//   - where the writer's knowledge is exact, the converse holds too, and a
//     sample bit-equal to the newest committed one of its series is not
//     written.
func TestHistoriesAgainstModel(t *testing.T) {
	for seed := range uint64(400) {
		exact := seed%2 == 0
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			h := newHistory(t, seed, exact)
			for range 60 {
				h.step()
			}
			h.checkContent()
		})
	}
}

type history struct {
	t       *testing.T
	rng     *rand.Rand
	exact   bool // no floors, no evictions: writers know everything
	store   *memStore
	writers []*Ingester
	log     []arrivals // of the committed flushes, in commit order
	current arrivals   // of the flush being written
	kept    []sent
	hists   *nativehisttest.Generator
}

// sent is a sample that was sent; payload is not nil for a histogram.
type sent struct {
	batchSample
	payload []byte
}

type arrivals []arrival

type arrival struct {
	key
	stamp uint64
}

func newHistory(t *testing.T, seed uint64, exact bool) *history {
	t.Helper()
	h := &history{t: t, rng: rand.New(rand.NewPCG(seed, 1)), exact: exact, store: ingesttest.New(1)}
	h.hists = nativehisttest.New(h.rng)
	h.store.Floors = !exact
	h.store.OnCommit = h.onCommit
	for range 1 + h.rng.IntN(3) {
		h.writers = append(h.writers, newTestIngester(t, storeOf{h.store}, Config{ResolveTimeout: time.Nanosecond}))
	}
	return h
}

var modelLabels = func() (out [][]series.RawLabel) {
	for i := range 6 {
		out = append(out, []series.RawLabel{
			{Name: []byte("__name__"), Value: []byte(fmt.Sprintf("m%d", i%2))},
			{Name: []byte("i"), Value: []byte(fmt.Sprint(i))},
		})
	}
	return out
}()

// step fills and flushes one draft of one writer, or does something to the
// world.
func (h *history) step() {
	w := h.writers[h.rng.IntN(len(h.writers))]
	f := w.flushers[0]
	switch h.rng.IntN(20) {
	case 0: // a restore that loses commits
		written := len(h.store.Log(1))
		keep := written - h.rng.IntN(3)
		if keep < 0 || keep == written || slices.ContainsFunc(h.store.Log(1)[keep:], func(fl ingesttest.Flush) bool { return fl.Removed != nil }) {
			return
		}
		h.store.Truncate(1, keep)
		h.log = h.log[:keep]
	case 1:
		if !h.exact {
			f.evict(time.Now().Add(time.Duration(h.rng.IntN(2)) * 24 * time.Hour))
		}
	case 2: // retention, and all that a series has
		gone := modelLabels[h.rng.IntN(len(modelLabels))]
		canonical := series.CanonicalLabels(nil, gone)
		if !h.store.Lapse(canonical, sequence.FlushID(uuid.New())) {
			return
		}
		for i, a := range h.log {
			h.log[i] = slices.DeleteFunc(slices.Clone(a), func(x arrival) bool { return x.Labels == string(canonical) })
		}
		h.log = append(h.log, nil)
	default:
		h.current = nil
		var requests []*request
		for range 1 + h.rng.IntN(3) {
			b := h.randomBatch(w)
			requests = append(requests, b.request)
			for _, smp := range b.samples {
				var payload []byte
				if smp.payload != 0 {
					payload = b.payloads[smp.payload-1]
				}
				h.current = append(h.current, arrival{key{Labels: string(smp.series.Canonical()), T: smp.t}, ingesttest.Stamp(smp.v, payload)})
			}
			if !f.buf.add(b) {
				h.t.Fatal("buffer is closed")
			}
		}
		commits := h.store.Commits
		f.flush(context.Background(), f.buf.take())
		for _, req := range requests {
			<-req.done
			if req.err == nil && h.store.Commits == commits {
				// All of it must have been there already.
				h.requireStored(h.current)
			}
			if req.err != nil && !errors.Is(req.err, sequence.ErrCommitUnknown) && !errors.Is(req.err, sequence.ErrUnavailable) {
				h.t.Fatalf("flush: %v", req.err)
			}
		}
	}
}

func (h *history) randomBatch(w *Ingester) *batch {
	b := newBatch(1)
	b.request, b.budget = newRequest(), w.budget
	b.request.pending.Store(1)
	base := int64(0)
	if h.rng.IntN(4) == 0 {
		base = segment.BucketMillis - 5
	}
	for range h.rng.IntN(8) {
		labels := append([]series.RawLabel(nil), modelLabels[h.rng.IntN(len(modelLabels))]...)
		s, refused := w.spelled(labels)
		if refused != "" {
			h.t.Fatalf("labels refused: %s", refused)
		}
		smp := sent{batchSample: batchSample{series: s, t: base + int64(h.rng.IntN(12)), v: float64(h.rng.IntN(3))}}
		switch h.rng.IntN(12) {
		case 0:
			smp.v = segment.Stale()
		case 1:
			smp.v = math.NaN()
		case 2, 3, 4:
			smp.payload, smp.v = h.hists.Payload()
		}
		if len(h.kept) > 0 && h.rng.IntN(3) == 0 { // a resend, perhaps through another writer
			old := h.kept[h.rng.IntN(len(h.kept))]
			labels := append([]series.RawLabel(nil), rawLabelsOf(string(old.series.Canonical()))...)
			smp = old
			smp.series, _ = w.spelled(labels)
		}
		h.kept = append(h.kept, smp)
		if smp.payload == nil {
			b.samples = append(b.samples, smp.batchSample)
			continue
		}
		from := len(b.arena)
		b.arena = append(b.arena, smp.payload...)
		one := smp.batchSample
		one.payload = b.addPayload(b.arena[from:])
		b.samples = append(b.samples, one)
	}
	return b
}

// onCommit is called with what a flush wants to commit.
func (h *history) onCommit(fl sequence.Flush, segs []segment.Segment) (bool, error) {
	h.checkFlush(fl, segs)
	applied := h.rng.IntN(8) != 0
	if applied {
		h.log = append(h.log, h.current)
	}
	var err error
	if !applied || h.rng.IntN(8) == 0 {
		err = fmt.Errorf("connection lost: %w", sequence.ErrCommitUnknown)
	}
	h.store.OnResolve = nil
	if h.rng.IntN(2) == 0 {
		h.store.OnResolve = func() error { return sequence.ErrUnavailable }
	}
	return applied, err
}

// checkFlush holds a flush against everything committed before it.
func (h *history) checkFlush(fl sequence.Flush, segs []segment.Segment) {
	newest := make(map[sequence.SeriesID]series.Last)
	for _, old := range h.store.Log(1) {
		for i := range old.Segments {
			note(newest, &old.Segments[i])
		}
	}
	before := make(map[sequence.SeriesID]series.Last)
	for id, last := range newest {
		before[id] = last
	}
	floats, hists := newest, maps.Clone(newest) // within the flush each kind is in order
	type place struct {
		id sequence.SeriesID
		t  int64
	}
	seen := make(map[place]bool)
	for i := range segs {
		seg := &segs[i]
		checkSegment(h.t, fl, seg)
		newest := floats
		if seg.Histograms != nil {
			newest = hists
		}
		for j, id := range seg.Series {
			at := seg.Time(j)
			if seen[place{id, at}] {
				h.t.Fatalf("sequence %d holds series %d at %d twice", fl.Seq, id, at)
			}
			seen[place{id, at}] = true
			last, ok := newest[id]
			if seg.Ordered && ok && at <= last.T {
				h.t.Fatalf("sequence %d: series %d at %d is marked ordered behind %d", fl.Seq, id, at, last.T)
			}
			old, ok := before[id]
			if h.exact && !seg.Ordered && (!ok || at > old.T) {
				h.t.Fatalf("sequence %d: series %d at %d is newer than all (%d, %v) and marked unordered", fl.Seq, id, at, old.T, ok)
			}
			if h.exact && ok && at == old.T && bits(seg.Values[j]) == bits(old.Value) && ingesttest.LastOf(seg, j).Histogram == old.Histogram {
				h.t.Fatalf("sequence %d: series %d at %d is written again", fl.Seq, id, at)
			}
			if !ok || at >= last.T {
				newest[id] = ingesttest.LastOf(seg, j)
			}
		}
	}
}

func note(newest map[sequence.SeriesID]series.Last, seg *segment.Segment) {
	for j, id := range seg.Series {
		if last, ok := newest[id]; !ok || seg.Time(j) >= last.T {
			newest[id] = ingesttest.LastOf(seg, j)
		}
	}
}

func checkSegment(t *testing.T, fl sequence.Flush, seg *segment.Segment) {
	t.Helper()
	n := seg.Len()
	if n == 0 || len(seg.Offsets) != n || len(seg.Values) != n {
		t.Fatalf("S1: arrays of %d, %d, %d", n, len(seg.Offsets), len(seg.Values))
	}
	minT, maxT, stale := int64(math.MaxInt64), int64(math.MinInt64), false
	for j := range n {
		minT, maxT = min(minT, seg.Time(j)), max(maxT, seg.Time(j))
		stale = stale || segment.IsStale(seg.Values[j])
		if seg.Offsets[j] < 0 {
			t.Fatalf("S3: offset %d", seg.Offsets[j])
		}
	}
	if seg.MinT != minT || seg.MaxT != maxT || segment.Bucket(minT) != segment.Bucket(maxT) {
		t.Fatalf("S2: says [%d, %d], holds [%d, %d]", seg.MinT, seg.MaxT, minT, maxT)
	}
	if seg.Base > seg.MinT || seg.Base < 0 {
		t.Fatalf("S3: base %d, first sample %d", seg.Base, seg.MinT)
	}
	if seg.MinSeq != fl.Seq || seg.MaxSeq != fl.Seq || seg.Region != fl.Region || seg.Sealed || seg.Metric == 0 {
		t.Fatalf("S4: %+v in flush %+v", seg, fl)
	}
	if seg.HasStale != stale {
		t.Fatalf("S7: says %v, holds %v", seg.HasStale, stale)
	}
	for j, payload := range seg.Histograms {
		if _, err := nativehist.Decode(payload, seg.Values[j]); err != nil || len(seg.Histograms) != n {
			t.Fatalf("S8: histogram %d of %d, %d samples: %v", j, len(seg.Histograms), n, err)
		}
	}
}

// requireStored fails unless everything that arrived is in the content.
func (h *history) requireStored(a arrivals) {
	h.t.Helper()
	content := h.store.Content()
	want := make(map[key]uint64)
	for _, x := range a {
		want[x.key] = x.stamp
	}
	for k, v := range want {
		if got, ok := content[k]; !ok || got != v {
			h.t.Fatalf("%q at %d was acknowledged as %x, stored is %x (%v)", k.Labels, k.T, v, got, ok)
		}
	}
}

func (h *history) checkContent() {
	want := make(map[key]uint64)
	for _, a := range h.log {
		for _, x := range a {
			want[x.key] = x.stamp
		}
	}
	got := h.store.Content()
	if len(got) != len(want) {
		h.t.Fatalf("%d samples stored, want %d", len(got), len(want))
	}
	for k, v := range want {
		if got[k] != v {
			h.t.Fatalf("%q at %d is %x, want %x", k.Labels, k.T, got[k], v)
		}
	}
}
