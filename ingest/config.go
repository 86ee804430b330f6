package ingest

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/ingest/metadata"
	"laminar/ingest/refusal"
	"laminar/ingest/replica"
	"laminar/sequence"
	"laminar/sequence/relabeling"
)

// Config is how an Ingester works. Regions must be set; every other zero field
// stands for its default.
type Config struct {
	// Regions is the installation's number of regions, 1 to sequence.MaxRegions.
	Regions int

	Limits refusal.Limits

	// BufferBytes bounds the memory of requests under way, from before their
	// first byte is read to the commit. Beyond it requests are refused with
	// budget.ErrBusy. Default 128 MiB.
	BufferBytes int64

	// MaxRequests bounds how many requests may be under way. Beyond it they are
	// refused with budget.ErrBusy before they are read. Default 512.
	MaxRequests int

	// FlushSamples closes a flush that has as many samples; later requests
	// wait for the next. Default 200,000.
	FlushSamples int

	// Linger is how long a flush that could begin waits at most for others to
	// join it, so that one commit serves many: as long as requests are being
	// decoded, or fewer are under way than were a moment ago. A sender that is
	// alone does not wait. Default 5 ms; negative means not at all.
	Linger time.Duration

	// LingerSamples ends the lingering early. Default 20,000.
	LingerSamples int

	// FlushTimeout bounds one flush, waiting for the region's lock included.
	// Default 30 s.
	FlushTimeout time.Duration

	// ResolveTimeout is how long requests wait to hear what became of a commit
	// in doubt. Default 5 s.
	ResolveTimeout time.Duration

	// DrainTimeout is how long Run goes on writing what is buffered after its
	// context has ended. Default 5 s.
	DrainTimeout time.Duration

	// SeriesIdle is how long a series is remembered after its last sample.
	// Default 6 h.
	SeriesIdle time.Duration

	// StartZeros puts a zero, of a native histogram an empty one, at the start
	// timestamp of a sample when that is newer than every
	// other sample of the series, so that the increase from there counts.
	// Otherwise start timestamps are ignored.
	StartZeros bool

	// Metadata, when not nil, keeps what senders say of metrics.
	Metadata metadata.Store

	// HA says how pairs of senders are told apart.
	HA replica.Config

	// Relabel changes the labels of series, or leaves series out, after HA has told
	// whose they are; nil for no rules.
	Relabel *relabeling.Relabeler

	// OnCommit, when not nil, is called after the requests of a flush have
	// been answered. It is called from every region's goroutine and must not
	// block.
	OnCommit func(Commit)

	Logger     *slog.Logger          // default: slog.Default()
	Registerer prometheus.Registerer // default: metrics are kept but not registered
}

// The defaults that a user sees.
const (
	DefaultLabels       = 64
	DefaultLabelBytes   = 2000
	DefaultAhead        = 10 * time.Minute
	DefaultBufferBytes  = 128 << 20
	DefaultMaxRequests  = 512
	DefaultFlushSamples = 200_000
	DefaultLinger       = 5 * time.Millisecond
)

// withDefaults fills in what is zero.
func (c Config) withDefaults() (Config, error) {
	if c.Regions < 1 || c.Regions > sequence.MaxRegions {
		return c, fmt.Errorf("ingest: regions is %d, want 1 to %d", c.Regions, sequence.MaxRegions)
	}
	setDefault(&c.BufferBytes, DefaultBufferBytes)
	setDefault(&c.MaxRequests, DefaultMaxRequests)
	setDefault(&c.FlushSamples, DefaultFlushSamples)
	setDefault(&c.Linger, DefaultLinger)
	setDefault(&c.LingerSamples, 20_000)
	setDefault(&c.FlushTimeout, 30*time.Second)
	setDefault(&c.ResolveTimeout, 5*time.Second)
	setDefault(&c.DrainTimeout, 5*time.Second)
	setDefault(&c.SeriesIdle, 6*time.Hour)
	setDefault(&c.Limits.Labels, DefaultLabels)
	setDefault(&c.Limits.LabelBytes, DefaultLabelBytes)
	setDefault(&c.Limits.Ahead, DefaultAhead)
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"buffer bytes", c.BufferBytes},
		{"max requests", int64(c.MaxRequests)},
		{"flush samples", int64(c.FlushSamples)},
		{"linger samples", int64(c.LingerSamples)},
		{"flush timeout", int64(c.FlushTimeout)},
		{"resolve timeout", int64(c.ResolveTimeout)},
		{"drain timeout", int64(c.DrainTimeout)},
		{"series idle", int64(c.SeriesIdle)},
		{"labels", int64(c.Limits.Labels)},
		{"label bytes", int64(c.Limits.LabelBytes)},
		{"ahead", int64(c.Limits.Ahead)},
		{"age", int64(c.Limits.Age)},
		{"series", int64(c.Limits.Series)},
		{"series of a metric", int64(c.Limits.SeriesOfMetric)},
		{"series bytes", c.Limits.SeriesBytes},
		{"new series", int64(c.Limits.NewSeries)},
	} {
		if f.value < 0 {
			return c, fmt.Errorf("ingest: %s is negative", f.name)
		}
	}
	var err error
	if c.HA, err = c.HA.WithDefaults(); err != nil {
		return c, fmt.Errorf("ingest: %w", err)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
