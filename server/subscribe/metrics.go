package subscribe

import "github.com/prometheus/client_golang/prometheus"

// metrics is what subscriptions count.
type metrics struct {
	streams  prometheus.Gauge
	behind   prometheus.Gauge
	refused  prometheus.Counter
	resets   *prometheus.CounterVec // by reason
	closed   *prometheus.CounterVec // by reason
	sent     prometheus.Counter     // bytes
	failed   prometheus.Counter
	lag      prometheus.Histogram
	ringSize prometheus.GaugeFunc
}

const namespace, subsystem = "laminar", "subscribe"

func newMetrics(reg prometheus.Registerer, held func() float64) *metrics {
	m := &metrics{
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "streams",
			Help: "Subscriptions that are being answered.",
		}),
		behind: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "behind",
			Help: "Subscriptions that are sent a snapshot, or what they have missed, from the tables.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "refused_total",
			Help: "Subscriptions that were refused because there were too many.",
		}),
		resets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "resets_total",
			Help: "Times that a subscription had to begin again, by reason.",
		}, []string{"reason"}),
		closed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "closed_total",
			Help: "Subscriptions that have ended, by reason: client (it left), slow (a write took too long), done (all of an answer with live=false was sent), age (it was an hour old), shutdown, gone (a flow was deleted) or error.",
		}, []string{"reason"}),
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "sent_bytes_total",
			Help: "Bytes of messages that were sent to subscriptions.",
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "read_failures_total",
			Help: "Attempts to read what is new for all subscriptions of some flows that have failed; they are made again every second.",
		}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "lag_seconds",
			Help:    "Time from reading a change until it was sent, of each subscription that is not behind.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8), // 1 ms to 16 s
		}),
		ringSize: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "buffer_bytes",
			Help: "Memory of the changes that are held for subscriptions.",
		}, held),
	}
	reg.MustRegister(m.streams, m.behind, m.refused, m.resets, m.closed, m.sent, m.failed, m.lag, m.ringSize)
	return m
}
