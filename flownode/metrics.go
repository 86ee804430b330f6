package flownode

// What a node shows of itself to Prometheus.
// Names and labels are part of the public contract. A label is a flow, a fence group
// or one of an enumerated set, and never something that samples bring; but for the source
// that holds a flow's watermark, of which each flow shows one. Refills
// and windows are there with 0 from the start, for every reason and kind: a rate over a
// counter that appears with its first event would miss that event.

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/flownode/round"
)

// Metrics is the metrics of a flownode. Methods may be called by several goroutines
// at once, as fence groups do.
type Metrics struct {
	leader      prometheus.Gauge
	rounds      *prometheus.HistogramVec
	roundErrors *prometheus.CounterVec
	refills     *prometheus.CounterVec
	reads       *prometheus.CounterVec
	roundTrip   prometheus.Gauge
	perByte     prometheus.Gauge
	windows     *prometheus.CounterVec
	rows        prometheus.Counter
	leftOut     *prometheus.CounterVec
	clashes     *prometheus.CounterVec
	late        *prometheus.CounterVec
	samples     prometheus.Counter
	evalErrors  prometheus.Counter
	kept        prometheus.Counter

	byFlow []*prometheus.GaugeVec // those below, of which forget drops a flow's

	stateBytes  *prometheus.GaugeVec
	members     *prometheus.GaugeVec
	dirty       *prometheus.GaugeVec
	lag         *prometheus.GaugeVec
	stalled     *prometheus.GaugeVec
	sequenceLag *prometheus.GaugeVec
	held        *prometheus.GaugeVec // of each flow one source at a time
}

// maker makes metrics and keeps what it made: a metric is named once, where it is
// made, and can be forgotten neither when all are registered nor when a flow goes.
type maker struct {
	made   []prometheus.Collector
	byFlow []*prometheus.GaugeVec // those of them with a label that is the flow
}

func opts(name, help string) prometheus.Opts {
	return prometheus.Opts{Namespace: "laminar", Subsystem: "flow", Name: name, Help: help}
}

// made keeps a metric.
func made[C prometheus.Collector](m *maker, c C) C {
	m.made = append(m.made, c)
	return c
}

func (m *maker) gauge(name, help string) prometheus.Gauge {
	return made(m, prometheus.NewGauge(prometheus.GaugeOpts(opts(name, help))))
}

func (m *maker) counter(name, help string) prometheus.Counter {
	return made(m, prometheus.NewCounter(prometheus.CounterOpts(opts(name, help))))
}

func (m *maker) counters(name, help string, labels ...string) *prometheus.CounterVec {
	return made(m, prometheus.NewCounterVec(prometheus.CounterOpts(opts(name, help)), labels))
}

// ofFlow makes a gauge with a flow's title as its one label, which forget drops.
func (m *maker) ofFlow(name, help string) *prometheus.GaugeVec {
	v := made(m, prometheus.NewGaugeVec(prometheus.GaugeOpts(opts(name, help)), []string{"flow"}))
	m.byFlow = append(m.byFlow, v)
	return v
}

// NewMetrics makes the metrics and registers them; reg nil registers nowhere.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	mk := &maker{}
	m := &Metrics{
		leader: mk.gauge("leader", "1 while this process keeps the flows up to date."),
		rounds: made(mk, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "laminar", Subsystem: "flow", Name: "round_duration_seconds",
			Help: "How long rounds took, by fence group.", Buckets: prometheus.ExponentialBuckets(0.002, 2, 13),
		}, []string{"group"})),
		roundErrors: mk.counters("round_errors_total", "Rounds that failed, by fence group.", "group"),
		refills:     mk.counters("refills_total", "Pieces of state and windows computed again from raw samples, by reason.", "reason"),
		reads:       mk.counters("reads_total", "Deltas and states of leaves computed, by executor and why it was chosen.", "executor", "reason"),
		roundTrip:   mk.gauge("link_round_trip_seconds", "Moving average of how long a short statement takes."),
		perByte:     mk.gauge("link_seconds_per_byte", "Moving average of how long a byte takes from the database, as far as reads have told."),
		windows:     mk.counters("windows_total", "Windows computed: closed, provisional, recomputed, refilled.", "kind"),
		rows:        mk.counter("rows_written_total", "Result rows inserted, changed or deleted."),
		leftOut:     mk.counters("rows_left_out_total", "Result rows that PostgreSQL refused, each time they were to be written.", "flow"),
		clashes:     mk.counters("rows_clashing_total", "Result rows that came not to stand, since another rule of the record gives them with another result.", "flow"),
		late:        mk.counters("late_samples_total", "Samples that stay out of closed windows because they came too late.", "flow"),
		samples:     mk.counter("samples_read_total", "Raw samples read."),
		evalErrors:  mk.counter("evaluation_errors_total", "Windows whose expression could not be evaluated."),
		kept:        mk.counter("windows_kept_total", "Dirty windows kept as they are because raw samples of theirs are gone."),
		stateBytes:  mk.ofFlow("state_bytes", "Pane state in memory."),
		members:     mk.ofFlow("series", "Series that the flow's leaves select."),
		dirty:       mk.ofFlow("dirty_windows", "Closed windows still to be recomputed."),
		lag:         mk.ofFlow("lag_seconds", "Database clock minus the watermark, less what windows read beyond their end; without a watermark, how long the flow has stood still."),
		stalled:     mk.ofFlow("stalled", "1 while the flow stands still: `laminar flow list` says why."),
		held: made(mk, prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("watermark_held_seconds",
			"How far the source that holds the flow's watermark is behind the newest of its sources, where the watermark goes by sources.")), []string{"flow", "source"})),
		sequenceLag: mk.ofFlow("lag_sequences", "Commits the stored vector is behind the last round's snapshot."),
	}
	for _, r := range progress.Reasons() {
		m.refills.WithLabelValues(string(r))
	}
	for _, k := range round.WindowKinds() {
		m.windows.WithLabelValues(string(k))
	}
	m.byFlow = mk.byFlow
	if reg != nil {
		reg.MustRegister(mk.made...)
	}
	return m
}

// count counts what a round did, also one that failed.
func (m *Metrics) count(c round.Counts, r *read.Reader) {
	for reason, n := range c.Refills {
		m.refills.WithLabelValues(string(reason)).Add(float64(n))
	}
	for kind, n := range c.Windows {
		m.windows.WithLabelValues(string(kind)).Add(float64(n))
	}
	m.evalErrors.Add(float64(c.EvalErrors))
	m.kept.Add(float64(c.Kept))
	for choice, n := range r.Choices {
		m.reads.WithLabelValues(string(choice.Executor), string(choice.Reason)).Add(float64(n))
	}
	m.samples.Add(float64(r.Samples))
}

// observeRound shows how long a round took and where its flows stand afterwards; kept is
// what is in memory of each.
// lag_sequences counts from the stored vector and not from the flow's, which can be
// ahead of it: other readers see the stored one.
func (m *Metrics) observeRound(group string, flows []*round.Flow, kept []Kept, r *read.Reader, took time.Duration) {
	m.rounds.WithLabelValues(group).Observe(took.Seconds())
	for i, f := range flows {
		name := f.Def.Title()
		m.members.WithLabelValues(name).Set(float64(kept[i].Series))
		m.stateBytes.WithLabelValues(name).Set(float64(kept[i].Bytes))
		m.dirty.WithLabelValues(name).Set(float64(f.DirtyWindows.Len()))
		var behind int64
		for _, rng := range f.Stored.Delta(r.Pos.Vector) {
			behind += rng.Len()
		}
		m.sequenceLag.WithLabelValues(name).Set(float64(behind))
		m.holds(name, f)
	}
}

// holds shows which source holds the watermark of a flow, in place of the one before.
func (m *Metrics) holds(name string, f *round.Flow) {
	if f.Def.Watermark == nil {
		return
	}
	m.held.DeletePartialMatch(prometheus.Labels{"flow": name})
	if source, ms := f.HeldBy(); source != "" {
		m.held.WithLabelValues(name, source).Set(float64(ms) / 1000)
	}
}

// forget drops what is shown of a flow that is gone, or that another process keeps now.
// A gauge that stayed would show a state that is no more. Counters stay, because what
// they have counted did happen.
func (m *Metrics) forget(flow string) {
	for _, v := range m.byFlow {
		v.DeleteLabelValues(flow)
	}
	m.held.DeletePartialMatch(prometheus.Labels{"flow": flow})
}
