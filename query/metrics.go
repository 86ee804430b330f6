package query

import "github.com/prometheus/client_golang/prometheus"

// metrics is what queries count; what they hold is read when it is asked for.
type metrics struct {
	refused prometheus.Counter
	samples prometheus.Counter
}

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
	reg.MustRegister(m.refused, m.samples)
	return m
}

// gauge registers a number that is read when it is asked for.
func gauge(reg prometheus.Registerer, name, help string, value func() int64) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help},
		func() float64 { return float64(value()) }))
}
