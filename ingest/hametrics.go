package ingest

import "github.com/prometheus/client_golang/prometheus"

// haMetrics is what is told about pairs of senders, by cluster.
type haMetrics struct {
	dropped   *prometheus.CounterVec
	failovers *prometheus.CounterVec
	failures  *prometheus.CounterVec
	elected   *prometheus.GaugeVec
}

func newHAMetrics(reg prometheus.Registerer) (*haMetrics, error) {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "laminar_ha_" + name, Help: help}, []string{"cluster"})
	}
	m := &haMetrics{
		dropped:   counter("dropped_samples_total", "Samples and histograms of replicas that were not elected."),
		failovers: counter("failovers_total", "Times this process saw another replica elected than before."),
		failures:  counter("election_failures_total", "Times the database could not be asked who is elected."),
		elected: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "laminar_ha_elected", Help: "1 for the replica that is elected, as far as this process knows.",
		}, []string{"cluster", "replica"}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.dropped, m.failovers, m.failures, m.elected} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// follow takes note that a replica is elected; old is what was decided before,
// nil at first.
func (m *haMetrics) follow(cluster string, old *haDecision, replica string) {
	if old != nil {
		m.failovers.WithLabelValues(cluster).Inc()
		m.elected.DeleteLabelValues(cluster, old.replica)
	}
	m.elected.WithLabelValues(cluster, replica).Set(1)
}
