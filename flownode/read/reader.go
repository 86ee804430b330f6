package read

// A Reader reads what one round may read: one snapshot, at one position.
// Before: the snapshot is open, and nothing else reads from it.
// After: what was read is counted, and the meter knows how long it took.

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"laminar/flownode/executor"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// Settings is what the Readers of a process have in common. It does not change
// after the first round, and may be read by several goroutines.
type Settings struct {
	Chooser executor.Chooser // who computes partials; its meter learns from the reads
	AtOnce  int              // samples held while they are read and folded
	Lanes   int              // into how many lanes raw samples are folded at most
	Log     *slog.Logger

	// MostBytes is about how much memory may be taken by what windows are computed from and
	// is thrown away afterwards; 0 for no bound.
	MostBytes int64
}

// DefaultAtOnce is how many samples a reading holds at a time before it folds them,
// at 20 bytes each: 10 MB. More would not make folding faster, since the cache is
// smaller anyway; fewer would find more series out of order only after folding.
const DefaultAtOnce = 512 << 10

// MaxLanes is the largest number of lanes into which samples are folded. Each lane
// is read in a session of its own, and sessions are scarce.
const MaxLanes = 4

// AheadOfClock is how far beyond the database's clock samples may lie, ms. ingest
// refuses samples that are further ahead.
const AheadOfClock = int64(10 * time.Minute / time.Millisecond)

// Reader reads from one snapshot. It is for one goroutine; a fold may use more,
// for which it waits. Answers about the whole snapshot (spans, all segments of some
// metrics) are kept: the flows of a fence group ask the same again and again.
type Reader struct {
	*Settings
	Pos sequence.Position // of the snapshot

	// Samples is how many samples were read and were wanted. Choices is how many
	// deltas and states of leaves were computed by each executor, and why.
	Samples int64
	Choices map[executor.Choice]int

	source     Source
	aggregator Aggregator
	spans      map[spanKey]sequence.Spans
	stored     map[string][]segment.Info // all segments, by metrics
}

// spanKey is a question about spans. Answers may be kept because a snapshot does
// not change.
type spanKey struct {
	metrics string
	span    sequence.Span
}

// NewReader reads from a snapshot. aggregator may be nil if neither AggregateDelta
// nor BuildState is called.
func NewReader(settings *Settings, source Source, aggregator Aggregator) *Reader {
	return &Reader{
		Settings: settings, Pos: source.Position(), source: source, aggregator: aggregator,
		Choices: map[executor.Choice]int{}, spans: map[spanKey]sequence.Spans{}, stored: map[string][]segment.Info{},
	}
}

// Over is a Reader of what over makes of the source of r, in the same round. Choices are
// counted with those of r, samples apart.
func Over(r *Reader, over func(Source) Source) *Reader {
	own := NewReader(r.Settings, over(r.source), r.aggregator)
	own.Choices = r.Choices
	return own
}

// lanesOf is into how many lanes raw samples of so many regions are folded: no more
// than there are regions, because a lane takes whole regions.
func (s *Settings) lanesOf(regions int) int { return max(1, min(s.Lanes, regions)) }

// Count counts a delta or a state of a leaf that is computed as was chosen. The
// count leaves out why another executor was refused: the metric shows choices only.
func (r *Reader) Count(choice executor.Choice) {
	choice.Refused = ""
	r.Choices[choice]++
}

// CheckHistory returns sequence.ErrHistoryChanged when the flushes that took the
// given sequences are not in the snapshot any more.
//
// If a region has moved on, the snapshot asks the database. Of all statements of a
// round this one has the shortest answer, so its time is taken as the time of a
// round trip. If no region has moved, the snapshot answers without asking, and
// timing it would say nothing about the connection.
func (r *Reader) CheckHistory(ctx context.Context, vec sequence.Vector, flushes map[sequence.Region]sequence.FlushID) error {
	asks := false
	for region, id := range flushes {
		asks = asks || id != (sequence.FlushID{}) && vec.At(region) > 0 && vec.At(region) < r.Pos.Vector.At(region)
	}
	if !asks {
		return r.source.CheckHistory(ctx, vec, flushes)
	}
	return r.Chooser.Meter.Trip(func() error { return r.source.CheckHistory(ctx, vec, flushes) })
}

// Series lists the series created after the vector whose metric has one of the
// names, with at least the labels named in only (SeriesLister.Series). Answers are
// not kept: each is asked for once, and can be millions of series.
func (r *Reader) Series(ctx context.Context, metrics []string, after sequence.Vector, only ...string) ([]series.Series, error) {
	list, err := r.source.Series(ctx, metrics, after, only...)
	if err != nil {
		return nil, fmt.Errorf("list series created after %s: %w", after, err)
	}
	return list, nil
}

// There tells how many of the series are there (SeriesLister.There).
func There(ctx context.Context, r *Reader, ids []sequence.SeriesID) (int, error) {
	n, err := r.source.There(ctx, ids)
	if err != nil {
		return 0, fmt.Errorf("look how many of %d series are there: %w", len(ids), err)
	}
	return n, nil
}

// Infos describes every segment that may hold samples after the vector.
func (r *Reader) Infos(ctx context.Context, metrics []sequence.MetricID, after sequence.Vector) ([]segment.Info, error) {
	infos, err := r.source.Infos(ctx, metrics, after)
	if err != nil {
		return nil, fmt.Errorf("list segments after %s: %w", after, err)
	}
	return infos, nil
}

// Spans lists when the metrics have stored samples, by segments that overlap the
// span.
func (r *Reader) Spans(ctx context.Context, metrics []sequence.MetricID, span sequence.Span) (sequence.Spans, error) {
	key := spanKey{fmt.Sprint(metrics), span}
	if s, ok := r.spans[key]; ok {
		return s, nil
	}
	s, err := r.source.Spans(ctx, segment.Select{Metrics: metrics, Span: span})
	if err != nil {
		return nil, fmt.Errorf("list when samples are stored: %w", err)
	}
	r.spans[key] = s
	return s, nil
}

// infosOf describes all segments of the metrics.
func (r *Reader) infosOf(ctx context.Context, metrics []sequence.MetricID) ([]segment.Info, error) {
	key := fmt.Sprint(metrics)
	if infos, ok := r.stored[key]; ok {
		return infos, nil
	}
	infos, err := r.source.Infos(ctx, metrics, sequence.Vector{})
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	r.stored[key] = infos
	return infos, nil
}

// ReadDelta calls fn for every hot segment in the ranges, in ascending (sequence,
// segment number) within a region and metric.
func (r *Reader) ReadDelta(ctx context.Context, metrics []sequence.MetricID, ranges map[sequence.Region]sequence.Range, pick segment.Pick, fn func(*segment.Segment) error) error {
	timing := r.Chooser.Meter.Begin()
	if err := r.source.ReadDelta(ctx, metrics, ranges, pick, timing.Through(fn)); err != nil {
		return err
	}
	timing.Done()
	return nil
}

// readRaw calls the functions for the segments that overlap the selection, and times
// them: Segments.ReadRaw.
func (r *Reader) readRaw(ctx context.Context, sel segment.Select, fns ...func(*segment.Segment) error) error {
	timing, timed := r.Chooser.Meter.Begin(), make([]func(*segment.Segment) error, len(fns))
	for i, fn := range fns {
		timed[i] = timing.Through(fn)
	}
	if err := r.source.ReadRaw(ctx, sel, timed...); err != nil {
		return err
	}
	timing.Done()
	return nil
}
