package sources

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/keep"
	"laminar/flownode/progress"
	"laminar/flownode/watermark"
	"laminar/sequence"
	"laminar/sequence/relabeling"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// commit is one flush: samples of series at times.
type commit struct {
	at     sequence.Time // sequence.NoTime: when is not known any more
	series []sequence.SeriesID
	times  []int64
}

func (c commit) segment() *segment.Segment {
	seg := &segment.Segment{Metric: 1, Base: 0}
	for i, id := range c.series {
		seg.Series, seg.Offsets = append(seg.Series, id), append(seg.Offsets, int32(c.times[i]))
	}
	return seg
}

const (
	idle  = int64(60_000)
	delay = int64(5_000)
)

// world is a flow with series in three clusters, and with one that it does not select.
func world(t *testing.T) (*flowdef.Flow, keep.Leaves, []series.Series) {
	t.Helper()
	def := flowdef.Flow{Name: "f", Every: 60_000, Lookback: flowdef.DefaultLookback, Watermark: &watermark.By{Labels: []string{"cluster"}, Idle: idle}}
	def, err := def.Define(`sum by (job) (rate(x{job!="other"}[5m]))`)
	if err != nil {
		t.Fatal(err)
	}
	var list []series.Series
	for i := range 7 {
		s := series.Series{ID: sequence.SeriesID(i + 1), Metric: 1, Labels: []series.Label{{Name: "__name__", Value: "x"}, {Name: "job", Value: "a"}}}
		if i%4 > 0 { // the first has no cluster, which is a source too
			s.Labels = append(s.Labels, series.Label{Name: "cluster", Value: fmt.Sprint("c", i%4)})
		}
		if i == 6 {
			s.Labels[1].Value = "other"
		}
		list = append(list, s)
	}
	leaves := keep.NewLeaves(def)
	leaves.AddSeries(list)
	return &def, leaves, list
}

// clusterOf is the source of a series, -1 where the flow does not select it.
func clusterOf(id sequence.SeriesID) int {
	if id == 7 {
		return -1
	}
	return int(id-1) % 4
}

// naive is the watermark from all commits that there are.
func naive(commits []commit, base, now sequence.Time) sequence.Time {
	newest, last := map[int]int64{}, map[int]int64{}
	for _, c := range commits {
		for i, id := range c.series {
			n := clusterOf(id)
			if n < 0 || c.at == sequence.NoTime {
				continue
			}
			last[n] = max(last[n], c.at)
			newest[n] = max(newest[n], min(c.times[i], c.at))
		}
	}
	w := base
	for n := range last {
		if now-last[n] < idle {
			w = min(w, newest[n]-delay)
		}
	}
	return w
}

// TestSourcesAgainstModel: random commits of sources that are slow, silent, late or ahead.
// One process reads each commit at once, another is blocked for long stretches, a third is
// taken over from what was stored all the time. All hold the watermark where the model does,
// at any time.
func TestSourcesAgainstModel(t *testing.T) {
	held, free := 0, 0
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 3))
		def, leaves, list := world(t)
		fresh := func(stored []progress.Source) *Sources {
			s := New(def.Watermark, stored)
			s.Add(leaves, list)
			return s
		}
		prompt, blocked, taken := fresh(nil), fresh(nil), fresh(nil)
		var commits []commit
		read := 0 // of commits, by blocked
		now := int64(10_000_000)
		for range 80 {
			now += rng.Int64N(30_000)
			c := commit{at: now}
			if rng.IntN(20) == 0 {
				c.at = sequence.NoTime
			}
			alive := rng.IntN(8) // sources that are silent for now
			for range 1 + rng.IntN(4) {
				id := sequence.SeriesID(1 + rng.IntN(7))
				if alive > 2 && clusterOf(id) > 1 {
					continue
				}
				c.series = append(c.series, id)
				c.times = append(c.times, now-rng.Int64N(200_000)+rng.Int64N(20_000))
			}
			commits = append(commits, c)
			prompt.Take(c.segment(), c.at)
			taken.Take(c.segment(), c.at)
			taken = fresh(taken.Stored(now))
			look := now + rng.Int64N(idle+10_000)
			if rng.IntN(6) == 0 {
				for ; read < len(commits); read++ {
					blocked.Take(commits[read].segment(), commits[read].at)
				}
			}
			base := look - rng.Int64N(10_000)
			want := naive(commits, base, look)
			if want < base {
				held++
			} else {
				free++
			}
			for name, s := range map[string]*Sources{"prompt": prompt, "taken over": taken, "blocked": blocked} {
				if name == "blocked" && read < len(commits) {
					continue
				}
				if got := s.Hold(base, look, delay); got != want {
					t.Fatalf("seed %d at %d: %s holds %d, want %d", seed, look, name, got, want)
				}
				source, behind := s.HeldBy()
				if (source == "") != (s.Deadline() == sequence.NoTime) || behind < 0 {
					t.Fatalf("seed %d: %s is held by %q, %d behind, until %d", seed, name, source, behind, s.Deadline())
				}
				if at := s.Deadline(); at != sequence.NoTime && at <= look {
					t.Fatalf("seed %d: %s has its deadline at %d, which is over at %d", seed, name, at, look)
				}
			}
			if a, b := prompt.Stored(look), taken.Stored(look); !reflect.DeepEqual(a, b) {
				t.Fatalf("seed %d: stored %v and %v", seed, a, b)
			}
		}
	}
	if held < 1000 || free < 100 {
		t.Errorf("held %d times, free %d times: the test shows little", held, free)
	}
}

// TestSourcesByRelabelledLabels: sources go by the labels that the expression sees.
func TestSourcesByRelabelledLabels(t *testing.T) {
	def, _, list := world(t)
	pattern, all := "c.*", "all"
	def.Relabel = []relabeling.Rule{{SourceLabels: []string{"cluster"}, Regex: &pattern, TargetLabel: "cluster", Replacement: &all}}
	again, err := def.Define(def.PromQL)
	if err != nil {
		t.Fatal(err)
	}
	leaves := keep.NewLeaves(again)
	leaves.AddSeries(list)
	s := New(def.Watermark, nil)
	s.Add(leaves, list)
	s.Take(commit{at: 9000, series: []sequence.SeriesID{2, 3}, times: []int64{1000, 8000}}.segment(), 9000)
	if got := s.Hold(9000, 9000, 0); got != 8000 {
		t.Errorf("held at %d, want 8000: both series are one source", got)
	}
	if source, _ := s.HeldBy(); source != `cluster="all"` {
		t.Errorf("held by %s", source)
	}
}

// TestStoredIsBounded: of sources that are idle a few are stored.
func TestStoredIsBounded(t *testing.T) {
	s := New(&watermark.By{Labels: []string{"pod"}, Idle: idle}, nil)
	for i := range 500 {
		n := s.number([]string{fmt.Sprint(i)})
		s.list[n].Newest, s.list[n].CommittedAt = 1, int64(i)
	}
	if got := s.Stored(idle + 300); len(got) != 199+mostIdle {
		t.Errorf("%d sources are stored, want 199 that are not idle and %d", len(got), mostIdle)
	}
}
