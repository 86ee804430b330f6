package replica

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics is what is told about pairs of senders, by cluster.
type metrics struct {
	dropped   *prometheus.CounterVec
	failovers *prometheus.CounterVec
	failures  *prometheus.CounterVec
	elected   *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "laminar_ha_" + name, Help: help}, []string{"cluster"})
	}
	m := &metrics{
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

// follow says that a replica is elected; old is the one that was before, empty at
// first.
func (m *metrics) follow(cluster, old, replica string) {
	if old != "" {
		m.failovers.WithLabelValues(cluster).Inc()
		m.elected.DeleteLabelValues(cluster, old)
	}
	m.elected.WithLabelValues(cluster, replica).Set(1)
}
