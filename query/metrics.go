package query

import "github.com/prometheus/client_golang/prometheus"

// metrics is what queries count; what they hold is read when it is asked for.
type metrics struct {
	refused prometheus.Counter
	samples prometheus.Counter
	large   prometheus.Counter     // queries that needed their turn
	kept    prometheus.Counter     // readings of flows that needed none
	flows   prometheus.Counter     // queries that were answered from flows
	steps   *prometheus.CounterVec // of their parts, by where they came from
}

// Where the steps of a part that is a flow's expression come from.
const (
	fromFlow = "flow"
	fromRaw  = "raw"
)

const namespace, subsystem = "laminar", "query"

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "refused_total",
			Help: "Queries that were refused because too many were waiting.",
		}),
		samples: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "samples_read_total",
			Help: "Samples that were read for queries.",
		}),
	}
	m.large = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "large_total",
		Help: "Queries that needed more memory than several may at once, and were computed one at a time.",
	})
	m.kept = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "rows_kept_total",
		Help: "Readings of flows' rows that were answered from memory, since the flow had no new ones.",
	})
	m.flows = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "from_flows_total",
		Help: "Queries of which parts were answered from flows.",
	})
	m.steps = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "from_flows_steps_total",
		Help: "Steps of these parts, by where they came from: the flow, or raw samples.",
	}, []string{"from"})
	for _, from := range []string{fromFlow, fromRaw} {
		m.steps.WithLabelValues(from)
	}
	reg.MustRegister(m.refused, m.samples, m.large, m.kept, m.flows, m.steps)
	return m
}

// gauge registers a number that is read when it is asked for.
func gauge(reg prometheus.Registerer, name, help string, value func() int64) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help},
		func() float64 { return float64(value()) }))
}

// counter registers a number that only rises, and is read when it is asked for.
func counter(reg prometheus.Registerer, name, help string, value func() int64) {
	reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help},
		func() float64 { return float64(value()) }))
}
