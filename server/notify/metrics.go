package notify

import "github.com/prometheus/client_golang/prometheus"

// Registerer is where metrics are registered.
type Registerer = prometheus.Registerer

// metrics has the names of Prometheus's own, so that its dashboards and alerts fit.
type metrics struct {
	latency      *prometheus.SummaryVec
	sent, errors *prometheus.CounterVec
	dropped      prometheus.Counter
	queue        prometheus.Gauge
	discovered   prometheus.Gauge
}

func newMetrics(reg Registerer, capacity int) *metrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "laminar", Subsystem: "notifications", Name: name, Help: help}
	}
	m := &metrics{
		latency: prometheus.NewSummaryVec(prometheus.SummaryOpts{
			Namespace: "laminar", Subsystem: "notifications", Name: "latency_seconds", Help: "How long requests to Alertmanagers took.",
			Objectives: map[float64]float64{0.5: 0.05, 0.9: 0.01, 0.99: 0.001},
		}, []string{"alertmanager"}),
		sent:       prometheus.NewCounterVec(prometheus.CounterOpts(opts("sent_total", "Alerts that Alertmanagers have taken.")), []string{"alertmanager"}),
		errors:     prometheus.NewCounterVec(prometheus.CounterOpts(opts("errors_total", "Alerts that were sent to Alertmanagers in vain.")), []string{"alertmanager"}),
		dropped:    prometheus.NewCounter(prometheus.CounterOpts(opts("dropped_total", "Notices that no Alertmanager took before they were too old or too many."))),
		queue:      prometheus.NewGauge(prometheus.GaugeOpts(opts("queue_length", "Notices that wait to be sent, in the process that leads."))),
		discovered: prometheus.NewGauge(prometheus.GaugeOpts(opts("alertmanagers_discovered", "Alertmanagers that are known, in the process that leads."))),
	}
	full := prometheus.NewGauge(prometheus.GaugeOpts(opts("queue_capacity", "Notices that can wait.")))
	full.Set(float64(capacity))
	reg.MustRegister(m.latency, m.sent, m.errors, m.dropped, m.queue, m.discovered, full)
	return m
}

// show makes the counters of an Alertmanager begin at 0.
func (m *metrics) show(url string) {
	m.sent.WithLabelValues(url)
	m.errors.WithLabelValues(url)
}
