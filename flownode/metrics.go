package flownode

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
)

// Metrics is what a flownode tells of itself.
type Metrics struct {
	leader           prometheus.Gauge
	rounds           *prometheus.HistogramVec
	roundErrors      *prometheus.CounterVec
	refills          *prometheus.CounterVec
	reads            *prometheus.CounterVec
	roundTrip        prometheus.Gauge
	perByte          prometheus.Gauge
	windows          *prometheus.CounterVec
	rows             prometheus.Counter
	samples          prometheus.Counter
	evalErrors       prometheus.Counter
	histogramResults prometheus.Counter
	unrebuildable    prometheus.Counter
	stateBytes       *prometheus.GaugeVec
	members          *prometheus.GaugeVec
	dirty            *prometheus.GaugeVec
	lag              *prometheus.GaugeVec
	sequenceLag      *prometheus.GaugeVec
}

// NewMetrics makes the metrics and registers them; reg nil registers nowhere.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	name := func(n, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "laminar", Subsystem: "flow", Name: n, Help: help}
	}
	gauge := func(n, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts(name(n, help)), []string{"flow"})
	}
	counter := func(n, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(name(n, help)), labels)
	}
	m := &Metrics{
		leader: prometheus.NewGauge(prometheus.GaugeOpts(name("leader", "1 while this process keeps the flows up to date."))),
		rounds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "laminar", Subsystem: "flow", Name: "round_duration_seconds",
			Help: "How long rounds took, by fence group.", Buckets: prometheus.ExponentialBuckets(0.002, 2, 13),
		}, []string{"group"}),
		roundErrors:      counter("round_errors_total", "Rounds that failed, by fence group.", "group"),
		refills:          counter("refills_total", "Pieces of state and windows computed again from raw samples, by reason.", "reason"),
		reads:            counter("reads_total", "Deltas and states of leaves computed, by executor and why it was chosen.", "executor", "reason"),
		roundTrip:        prometheus.NewGauge(prometheus.GaugeOpts(name("link_round_trip_seconds", "Moving average of how long a short statement takes."))),
		perByte:          prometheus.NewGauge(prometheus.GaugeOpts(name("link_seconds_per_byte", "Moving average of how long a byte takes from the database, as far as reads have told."))),
		windows:          counter("windows_total", "Windows computed: closed, provisional, recomputed, refilled.", "kind"),
		rows:             prometheus.NewCounter(prometheus.CounterOpts(name("rows_written_total", "Result rows inserted, changed or deleted."))),
		samples:          prometheus.NewCounter(prometheus.CounterOpts(name("samples_read_total", "Raw samples read."))),
		evalErrors:       prometheus.NewCounter(prometheus.CounterOpts(name("evaluation_errors_total", "Windows whose expression could not be evaluated."))),
		histogramResults: prometheus.NewCounter(prometheus.CounterOpts(name("histogram_results_total", "Results left out because they are native histograms."))),
		unrebuildable:    prometheus.NewCounter(prometheus.CounterOpts(name("windows_kept_total", "Dirty windows kept as they are because raw samples of theirs are gone."))),
		stateBytes:       gauge("state_bytes", "Pane state in memory."),
		members:          gauge("series", "Series that the flow's leaves select."),
		dirty:            gauge("dirty_windows", "Closed windows still to be recomputed."),
		lag:              gauge("lag_seconds", "Database clock minus the watermark, less what windows read beyond their end."),
		sequenceLag:      gauge("lag_sequences", "Commits the stored vector is behind the last round's snapshot."),
	}
	for _, r := range flowplan.Reasons() {
		m.refills.WithLabelValues(string(r))
	}
	for _, k := range []string{"closed", "provisional", "recomputed", "refilled"} {
		m.windows.WithLabelValues(k)
	}
	if reg != nil {
		reg.MustRegister(m.leader, m.rounds, m.roundErrors, m.refills, m.reads, m.roundTrip, m.perByte, m.windows, m.rows, m.samples, m.evalErrors, m.histogramResults,
			m.unrebuildable, m.stateBytes, m.members, m.dirty, m.lag, m.sequenceLag)
	}
	return m
}

// read counts a reading of a leaf's samples.
func (m *Metrics) read(choice flowplan.ExecutorChoice) {
	m.reads.WithLabelValues(string(choice.Executor), string(choice.Reason)).Inc()
}

// observeRound notes a round that was committed.
func (m *Metrics) observeRound(g *group, r *round, took time.Duration) {
	m.rounds.WithLabelValues(g.name).Observe(took.Seconds())
	m.samples.Add(float64(r.readSamples))
	for _, f := range g.flows {
		if f.broken {
			continue
		}
		name := f.flow.Def.Name
		var series int
		for _, l := range f.leaves {
			series += len(l.Members.Series)
		}
		m.members.WithLabelValues(name).Set(float64(series))
		m.stateBytes.WithLabelValues(name).Set(float64(f.stateBytes()))
		m.dirty.WithLabelValues(name).Set(float64(f.dirty.Len()))
		if f.flow.Watermark != progress.Unset {
			m.lag.WithLabelValues(name).Set(float64(r.pos.Now-f.flow.Watermark-f.flow.Def.Expr.Ahead()) / 1000)
		}
		var behind int64
		for _, rng := range f.stored.Delta(r.pos.Vector) {
			behind += rng.Len()
		}
		m.sequenceLag.WithLabelValues(name).Set(float64(behind))
	}
}

// forget drops the series of a flow that is gone.
func (m *Metrics) forget(flow string) {
	for _, v := range []*prometheus.GaugeVec{m.stateBytes, m.members, m.dirty, m.lag, m.sequenceLag} {
		v.DeleteLabelValues(flow)
	}
}
