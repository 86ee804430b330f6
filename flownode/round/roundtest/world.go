package roundtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/executor"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
	"laminar/flownode/flowplan"
	"laminar/flownode/late"
	"laminar/flownode/progress"
	"laminar/flownode/promeval"
	"laminar/flownode/read"
	"laminar/flownode/round"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// World drives flows over a memStore as one owner does, and knows every sample
// that was ever committed: the oracle is Prometheus's engine over those.
type World struct {
	T      testing.TB
	Rng    *rand.Rand
	Store  *MemStore
	Engine *promeval.Engine

	// What the owner works with.
	Reading   read.Settings
	Machine   round.Machine
	Budget    time.Duration // of a round, by the machine's clock; 0 is over from the start
	Snapshots interface {
		Snapshot(ctx context.Context) (read.Snapshot, error)
	}
	Results interface {
		Commit(ctx context.Context, rounds []progress.Round) ([]progress.Outcome, error)
	}

	Cascade *round.Cascade
	Flows   map[progress.FlowID]*round.Flow // that the owner has; a flow that it does not trust is missing

	// What its rounds did.
	Counts  round.Counts
	Samples int64 // read
	Choices map[executor.Choice]int

	Series []*WorldSeries
	Last   map[sequence.SeriesID]int64 // newest committed sample, as an ingester knows it
	Base   int64                       // where event time begins
	Clock  int64                       // newest event time generated
	Log    []string
}

// WorldSeries is a series and every sample of it that was committed.
type WorldSeries struct {
	ID      sequence.SeriesID
	Metric  sequence.MetricID
	Region  sequence.Region
	Labels  []series.Label
	Counter bool
	Samples map[int64]float64
	value   float64
	Hists   NativeSamples
	Created bool
}

// labelSet is the series' labels as Prometheus has them.
func (s *WorldSeries) labelSet() labels.Labels {
	b := labels.NewScratchBuilder(len(s.Labels))
	for _, l := range s.Labels {
		b.Add(l.Name, l.Value)
	}
	b.Sort()
	return b.Labels()
}

// NewWorld has flows that nothing was read for yet, and series without samples. The
// seed chooses what happens, and into how many lanes and how few at a time samples
// are folded.
func NewWorld(t testing.TB, seed uint64, regions int, setting flowdef.Executor, defs string) *World {
	t.Helper()
	w := &World{
		T: t, Rng: rand.New(rand.NewPCG(seed, 1)), Store: NewMemStore(regions), Engine: promeval.New(),
		Last: map[sequence.SeriesID]int64{}, Base: 1_700_000_000_000 - 1_700_000_000_000%3_600_000,
	}
	w.Clock = w.Base
	w.Store.Now = w.Base
	flows, problems := flowfile.Parse("test.yml", []byte(defs))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for i, f := range flows {
		id := progress.FlowID(i + 1)
		w.Store.Flows[id] = &MemFlow{
			Flow: progress.Flow{ID: id, Def: f, Progress: progress.Progress{
				Vector: sequence.Vector{}, EmittedUntil: sequence.NoTime, BeginsAfter: sequence.NoTime, NewestT: sequence.NoTime,
				NewestAt: sequence.NoTime, Watermark: sequence.NoTime,
			}},
			Rows: map[int64]map[string]progress.Row{}, Dirty: map[progress.DirtyKey]progress.Dirty{},
		}
	}
	// A clock that stands still: no machine is so slow that a round does less than there is
	// to do, or puts off an open window.
	began := time.Now()
	clock := func() time.Time { return began }
	w.Reading = read.Settings{
		Chooser: executor.Chooser{Setting: setting, Meter: executor.NewMeter(clock, nil, nil), Now: clock},
		AtOnce:  read.DefaultAtOnce, Lanes: 1 + int(seed/3%3), Log: slog.New(slog.DiscardHandler),
	}
	// Some worlds fold a few samples at a time.
	w.Reading.AtOnce = []int{read.DefaultAtOnce, 3, 50}[seed%3]
	w.Machine = round.Machine{Eval: promeval.New(), MaxStateBytes: 1 << 30, Now: clock, Log: w.Reading.Log, LateBounds: late.DefaultBounds}
	w.Budget, w.Snapshots, w.Results = time.Second, w.Store, w.Store
	w.Counts = round.Counts{Refills: map[progress.Reason]int{}, Windows: map[round.WindowKind]int{}}
	w.Choices = map[executor.Choice]int{}
	w.Restart()
	metrics := []struct {
		name    string
		counter bool
	}{{"requests_total", true}, {"errors_total", true}, {"temperature", false}}
	for n := range 14 {
		m := n % len(metrics)
		id := sequence.SeriesID(n + 1)
		w.Series = append(w.Series, &WorldSeries{
			ID: id, Metric: sequence.MetricID(m + 1), Region: sequence.Region(n%regions + 1), Counter: metrics[m].counter,
			Labels: []series.Label{
				{Name: series.MetricName, Value: metrics[m].name},
				{Name: "instance", Value: fmt.Sprintf("i%d", n/6)},
				{Name: "job", Value: fmt.Sprintf("j%d", n%2)},
				{Name: "n", Value: fmt.Sprint(n)},
			},
			Samples: map[int64]float64{},
		})
	}
	return w
}

// Restart is an owner that begins with nothing in memory.
func (w *World) Restart() {
	w.Flows, w.Cascade = map[progress.FlowID]*round.Flow{}, round.NewCascade()
}

// Round is one round of all flows. more says that work is left that need not
// wait.
func (w *World) Round(ctx context.Context) (more bool, err error) {
	w.T.Helper()
	began := w.Machine.Now()
	if err := w.load(ctx); err != nil {
		return false, err
	}
	ids := slices.Sorted(maps.Keys(w.Flows))
	jobs := map[progress.FlowID]*progress.Job{}
	next, err := w.Store.NextJobs(ctx, ids)
	if err != nil {
		return false, err
	}
	for i := range next {
		jobs[next[i].Flow] = &next[i]
	}
	snap, err := w.Snapshots.Snapshot(ctx)
	if err != nil {
		return false, err
	}
	flows := make([]*round.Flow, len(ids))
	for i, id := range ids {
		flows[i] = w.Flows[id]
	}
	r := read.NewReader(&w.Reading, snap, snap)
	w.Cascade.Tables, w.Cascade.Commits = snap, snap
	results, counts, err := w.Machine.Compute(ctx, r, w.Cascade, round.Limits{Deadline: began.Add(w.Budget), Flows: int64(len(ids))}, flows, jobs)
	w.count(counts, r)
	w.Machine.Allowance.Over(w.Cascade)
	for _, f := range flows {
		w.Machine.Allowance.Kept(f.ID, f.Leaves.Bytes())
	}
	if err = errors.Join(err, snap.Close(ctx)); err != nil {
		w.Restart()
		return false, err
	}
	return w.commit(ctx, results)
}

// load takes over the flows that the owner lacks.
func (w *World) load(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(w.Store.Flows)) {
		if w.Flows[id] != nil {
			continue
		}
		loaded, err := w.Store.Take(ctx, id)
		if err != nil {
			return err
		}
		w.Flows[id] = round.NewFlow(loaded)
	}
	return nil
}

// count adds up what rounds did.
func (w *World) count(counts round.Counts, r *read.Reader) {
	for reason, n := range counts.Refills {
		w.Counts.Refills[reason] += n
	}
	for kind, n := range counts.Windows {
		w.Counts.Windows[kind] += n
	}
	w.Counts.EvalErrors += counts.EvalErrors
	w.Counts.Kept += counts.Kept
	for choice, n := range r.Choices {
		w.Choices[choice] += n
	}
	w.Samples += r.Samples
}

// commit stores results. A flow whose result is not known to be stored is given
// up.
func (w *World) commit(ctx context.Context, results []round.Result) (more bool, err error) {
	var rounds []progress.Round
	var stored []*round.Result
	now := w.Machine.Now()
	for i := range results {
		res := &results[i]
		more = more || res.More
		if res.MayWait(len(w.Flows), now) {
			res.Waits()
			continue
		}
		rounds, stored = append(rounds, res.Round), append(stored, res)
	}
	if len(rounds) == 0 {
		return more, nil
	}
	outcomes, err := w.Results.Commit(ctx, rounds)
	for i, res := range stored {
		if err == nil && outcomes[i].Err == nil {
			res.Committed(now, outcomes[i])
			continue
		}
		delete(w.Flows, res.Flow.ID)
		if err == nil && !errors.Is(outcomes[i].Err, sequence.ErrFenced) {
			err = outcomes[i].Err
		}
	}
	return more && err == nil, err
}

// Value is the next value of a series.
func (w *World) Value(s *WorldSeries) float64 {
	switch p := w.Rng.IntN(100); {
	case p < 2:
		return segment.Stale()
	case p < 4 && !s.Counter:
		return []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[w.Rng.IntN(3)]
	case s.Counter && p < 10:
		s.value = float64(w.Rng.IntN(5))
	case s.Counter:
		s.value += float64(w.Rng.IntN(50))
	default:
		s.value = float64(w.Rng.IntN(2000)-1000) / 8
	}
	return s.value
}

// Flush commits samples of one region, told apart into ordered and unordered
// as an ingester does.
func (w *World) Flush(r sequence.Region, samples map[*WorldSeries]map[int64]float64) {
	type key struct {
		m         sequence.MetricID
		bucket    int64
		ordered   bool
		histogram bool
	}
	segs := map[key]*segment.Segment{}
	for _, s := range w.Series {
		points := samples[s]
		times := make([]int64, 0, len(points))
		for t := range points {
			times = append(times, t)
		}
		slices.Sort(times)
		if len(times) > 0 && !s.Created {
			s.Created = true
			w.Store.Series = append(w.Store.Series, series.Series{ID: s.ID, Metric: s.Metric, Region: r, Seq: w.Store.Vec[r] + 1, Labels: s.Labels})
		}
		for _, t := range times {
			last, known := w.Last[s.ID]
			payload := s.Hists.pending[t]
			k := key{s.Metric, segment.Bucket(t), !known || t > last, payload != nil}
			if k.ordered {
				w.Last[s.ID] = t
			}
			seg := segs[k]
			if seg == nil {
				seg = &segment.Segment{Metric: s.Metric, Ordered: k.ordered, Base: k.bucket, MinT: t, MaxT: t}
				segs[k] = seg
			}
			seg.MinT, seg.MaxT = min(seg.MinT, t), max(seg.MaxT, t)
			seg.Series = append(seg.Series, s.ID)
			seg.Offsets = append(seg.Offsets, int32(t-k.bucket))
			seg.Values = append(seg.Values, points[t])
			if payload != nil {
				seg.Histograms = append(seg.Histograms, payload)
			}
			s.Samples[t] = points[t]
			s.Hists.commit(t)
		}
	}
	list := make([]segment.Segment, 0, len(segs))
	for _, s := range segs {
		list = append(list, *s)
	}
	w.Store.Append(r, list...)
}

// Scrape generates samples of most series between the clock and a later time.
func (w *World) Scrape(span int64, isLate bool) {
	perRegion := map[sequence.Region]map[*WorldSeries]map[int64]float64{}
	from := w.Clock
	if isLate {
		from = max(w.Base, w.Clock-w.Rng.Int64N(20*60_000))
	}
	for _, s := range w.Series {
		if w.Rng.IntN(4) == 0 {
			continue
		}
		if perRegion[s.Region] == nil {
			perRegion[s.Region] = map[*WorldSeries]map[int64]float64{}
		}
		points := map[int64]float64{}
		for t := from + w.Rng.Int64N(15_000); t <= from+span; t += 15_000 {
			at := t
			if w.Rng.IntN(5) == 0 {
				at = t - t%60_000 // exactly on a border
			}
			points[at] = w.point(s, at)
		}
		perRegion[s.Region][s] = points
	}
	if !isLate {
		w.Clock += span
	}
	w.Store.Now = max(w.Store.Now, w.Clock)
	for r, samples := range perRegion {
		w.Flush(r, samples)
	}
}

// point is the next sample of a series: a float, or the sum of a histogram.
func (w *World) point(s *WorldSeries, t int64) float64 {
	if s.Hists.Chance == 0 || w.Rng.IntN(100) >= s.Hists.Chance {
		delete(s.Hists.pending, t)
		return w.Value(s)
	}
	payload, sum := s.Hists.next(w.Rng)
	if s.Hists.pending == nil {
		s.Hists.pending = map[int64][]byte{}
	}
	s.Hists.pending[t] = payload
	return sum
}

// Overwrite writes samples that are there already, with the same or another
// value.
func (w *World) Overwrite() {
	s := w.Series[w.Rng.IntN(len(w.Series))]
	points := map[int64]float64{}
	for _, t := range slices.Sorted(maps.Keys(s.Samples)) {
		if w.Rng.IntN(10) == 0 {
			if points[t] = s.Samples[t]; w.Rng.IntN(2) == 0 {
				points[t] = w.point(s, t)
			} else {
				s.Hists.again(t)
			}
		}
	}
	if len(points) > 0 {
		w.Flush(s.Region, map[*WorldSeries]map[int64]float64{s: points})
	}
}

// Tick runs rounds until the flows have nothing left that need not wait.
func (w *World) Tick() {
	for range 2000 {
		more, err := w.Round(context.Background())
		if err != nil && !errors.Is(err, errInjected) && !errors.Is(err, sequence.ErrCommitUnknown) {
			w.T.Fatalf("round: %v\n%v", err, w.Log)
		}
		if err == nil && !more {
			return
		}
	}
	w.T.Fatal("rounds never come to an end")
}

var errInjected = errors.New("injected")

// Step is one random event, then rounds, then the comparison.
func (w *World) Step() {
	w.Act()
	// The comparison takes most of the time; a fault that stays in the tables
	// is found by a later one.
	if w.Rng.IntN(3) == 0 {
		w.Check()
	}
}

// Act is one random event, then rounds.
func (w *World) Act() {
	note := func(s string) { w.Log = append(w.Log, s) }
	switch p := w.Rng.IntN(100); {
	case p < 40:
		note("scrape")
		w.Scrape(w.Rng.Int64N(90_000), false)
	case p < 44:
		note("gap")
		w.Clock += w.Rng.Int64N(20 * 60_000)
	case p < 60:
		note("late")
		w.Scrape(w.Rng.Int64N(60_000), true)
	case p < 70:
		note("overwrite")
		w.Overwrite()
	case p < 76:
		note("seal")
		w.Store.Seal()
	case p < 80:
		note("scrape+seal")
		w.Scrape(w.Rng.Int64N(90_000), false)
		w.Store.Seal()
	case p < 84:
		note("evict")
		for _, f := range w.Flows {
			f.Leaves.DropState()
		}
	case p < 88:
		note("restart")
		w.Restart()
	case p < 91:
		note("commit fails")
		n := 0
		w.Store.FailCommit = func() error {
			if n++; n == 1 {
				return errInjected
			}
			return nil
		}
		w.Scrape(30_000, w.Rng.IntN(2) == 0)
	case p < 94:
		note("commit unknown")
		w.Store.Forget = true
		w.Scrape(30_000, w.Rng.IntN(2) == 0)
	case p < 97:
		note("refill")
		id := progress.FlowID(w.Rng.IntN(len(w.Store.Flows)) + 1)
		from := w.Base + w.Rng.Int64N(max(1, w.Clock-w.Base))
		w.Store.Jobs = append(w.Store.Jobs, progress.Job{ID: int64(len(w.Store.Jobs) + 1), Flow: id, From: from, NextT: from, To: from + 600_000, State: progress.JobQueued})
	default:
		note("time passes")
		w.Store.Now += w.Rng.Int64N(120_000)
		w.Clock = max(w.Clock, w.Store.Now-30_000)
	}
	w.Tick()
}

// SettleAll lets all dirty windows be computed, and compares.
func (w *World) SettleAll() {
	w.T.Helper()
	w.Settle()
	w.Check()
}

// Settle lets all dirty windows be computed.
func (w *World) Settle() {
	w.T.Helper()
	for range 3 {
		w.Store.Now += flowplan.DirtyAtLatest
		w.Tick()
	}
}
