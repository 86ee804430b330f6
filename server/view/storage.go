package view

import (
	"laminar/sqlstore/census"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/senders"
)

// StorageSeen is what the raw samples take, and what is kept of them.
type StorageSeen struct {
	Raw         Storage      `json:"raw"`
	Regions     []Region     `json:"regions"`
	Generations []Generation `json:"generations"` // not sealed yet, oldest first
	Retention   Retention    `json:"retention"`
	Metrics     []MetricSize `json:"metrics"`      // those that take most
	MetricsMore int64        `json:"metrics_more"` // others, about; some may have no samples
}

// Generation is a generation that is not sealed.
type Generation struct {
	Generation int32  `json:"generation"`
	State      string `json:"state"` // current or frozen
	Since      string `json:"since"`
	Bytes      int64  `json:"bytes"`    // of its table, with indexes
	Segments   int64  `json:"segments"` // about
}

// NewGeneration shows a generation.
func NewGeneration(g census.Generation) Generation {
	return Generation{Generation: g.ID, State: g.State, Since: FormatTime(g.Since), Bytes: g.Bytes, Segments: g.Segments}
}

// MetricSize is what the samples of a metric take, without indexes.
type MetricSize struct {
	Metric         string  `json:"metric"`
	Series         int64   `json:"series"`
	Samples        int64   `json:"samples"`
	Bytes          int64   `json:"bytes"`
	Segments       int64   `json:"segments"`
	BytesPerSample float64 `json:"bytes_per_sample"`
}

// NewMetricSize shows a metric.
func NewMetricSize(m raw.MetricSize) MetricSize {
	return MetricSize{
		Metric: m.Name, Series: m.Series, Samples: m.Samples, Bytes: m.Bytes, Segments: m.Segments,
		BytesPerSample: float64(m.Bytes) / float64(max(1, m.Samples)),
	}
}

// Senders is who sends samples.
type Senders struct {
	Senders []SeriesSender `json:"senders"` // those that brought most new series
	Pairs   []SenderPair   `json:"pairs"`   // pairs of which one is listened to, by cluster
}

// SenderPair is which of a pair of senders is listened to.
type SenderPair struct {
	Cluster string `json:"cluster"`
	Elected string `json:"elected"` // the replica
	Since   string `json:"since"`
	Seen    string `json:"seen"` // when its data last came
}

// NewSenders shows senders and pairs of them.
func NewSenders(list []census.Sender, pairs []senders.Election) Senders {
	return Senders{Senders: Each(list, NewSeriesSender), Pairs: Each(pairs, func(e senders.Election) SenderPair {
		return SenderPair{Cluster: e.Cluster, Elected: e.Replica, Since: FormatTime(e.Since), Seen: FormatTime(e.Seen)}
	})}
}
