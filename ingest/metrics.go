package ingest

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/ingest/lateness"
	"laminar/ingest/refusal"
	"laminar/sequence"
)

// What the ingester shows of itself to Prometheus.
// Names and labels are part of the public contract. Labels are reasons and outcomes,
// which are enumerated; no label is something that samples bring, because senders would
// then decide how many series there are.
//
// Samples are counted as committed when their flush has committed, and not when a
// request comes: what is shown is durable. Gauges are read when they are asked for.

// metrics is what the ingester tells about itself. It may be used by several goroutines
// at once.
type metrics struct {
	samples        prometheus.Counter
	rejected       *prometheus.CounterVec
	repeats        prometheus.Counter
	unordered      prometheus.Counter
	histograms     prometheus.Counter
	exemplars      prometheus.Counter
	zeros          prometheus.Counter
	badStarts      prometheus.Counter
	leftOut        []prometheus.Counter // by rule of relabelling - 1
	flushes        *prometheus.CounterVec
	flushSeconds   prometheus.Histogram
	missed         prometheus.Counter
	historyChanges prometheus.Counter
	ages           *lateness.Histogram
}

// newMetrics makes the metrics and registers them; reg nil registers nowhere. It needs
// the budget and the registry of g, which its gauges read. An error is one of reg, of a
// name that is taken, say.
func newMetrics(reg prometheus.Registerer, g *Ingester) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "laminar_ingest_" + name, Help: help})
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "laminar_ingest_" + name, Help: help}, []string{label})
	}
	gauge := func(name, help string, value func() int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "laminar_ingest_" + name, Help: help},
			func() float64 { return float64(value()) })
	}
	m := &metrics{
		samples:        counter("samples_total", "Samples committed, dropped repeats included."),
		rejected:       vec("rejected_samples_total", "Samples refused for good, by reason.", "reason"),
		repeats:        counter("repeated_samples_total", "Samples dropped because they equal the newest committed one of their series."),
		unordered:      counter("unordered_samples_total", "Samples written to unordered segments: late, repeated or overwriting."),
		histograms:     counter("histograms_total", "Native histograms committed, dropped repeats included. They count as samples too."),
		exemplars:      counter("exemplars_total", "Exemplars of remote write 2.0 that were accepted. They are not kept."),
		zeros:          counter("start_zeros_total", "Zeros written at start timestamps."),
		badStarts:      counter("ignored_start_timestamps_total", "Start timestamps left out of account because they are not before their sample."),
		flushes:        vec("flushes_total", "Flushes by outcome: committed, empty, refused, failed, unknown.", "outcome"),
		missed:         counter("missed_reads_total", "Times a region's cache had to catch up with other writers or with the database at start."),
		historyChanges: counter("history_changes_total", "Times committed flushes had disappeared and every cache was dropped."),
		ages:           lateness.New("laminar_ingest_sample_age_seconds", "How old samples are when they come, by the database's clock: what watermark_delay has to wait for."),
		flushSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "laminar_ingest_flush_duration_seconds",
			Help:    "Time one flush takes, from naming its metrics to its commit.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}),
	}
	leftOut := vec("relabel_dropped_samples_total", "Samples left out by ingest.relabel, by the number of its rule.", "rule")
	for i := range g.cfg.Relabel.Len() {
		m.leftOut = append(m.leftOut, leftOut.WithLabelValues(strconv.Itoa(i+1)))
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.samples, m.rejected, m.repeats, m.unordered, m.histograms, m.exemplars, m.zeros, m.badStarts, leftOut, m.flushes, m.flushSeconds, m.missed, m.historyChanges, m.ages,
		gauge("buffer_bytes", "Bytes of memory that requests under way hold, from before they are read to their commit.", g.budget.Used),
		gauge("requests_under_way", "Requests that are being read, decoded or wait for their commit.", g.requests.Load),
		gauge("active_series", "Series remembered.", g.registry.Count),
		gauge("active_series_limit", "Series that may be remembered, 0 for any number; new ones are refused beyond it.", func() int64 { return int64(g.cfg.Limits.Series) }),
		gauge("series_bytes", "Memory that remembered series and their labels take, about.", g.registry.Bytes),
		gauge("series_bytes_limit", "Memory that remembered series may take, 0 for any; new ones are refused beyond it.", func() int64 { return g.cfg.Limits.SeriesBytes }),
	} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// refuse counts n samples that sending again cannot help.
func (m *metrics) refuse(reason refusal.Reason, n int) {
	m.rejected.WithLabelValues(string(reason)).Add(float64(n))
}

// flush counts one flush by how it ended; c is nil where nothing was to be written.
// Each flush has one outcome, and the sum of all is how many flushes were tried. A flush
// that is repeated after history has changed counts once, by its last attempt.
func (m *metrics) flush(took time.Duration, c *Commit, err error) {
	m.flushSeconds.Observe(took.Seconds())
	outcome := "failed"
	switch {
	case err == nil && c == nil:
		outcome = "empty"
	case err == nil:
		outcome = "committed"
	case errors.Is(err, sequence.ErrBadContent):
		outcome = "refused"
	case errors.Is(err, sequence.ErrCommitUnknown):
		outcome = "unknown"
	}
	m.flushes.WithLabelValues(outcome).Inc()
}
