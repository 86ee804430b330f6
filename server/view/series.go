package view

import "laminar/sqlstore/census"

// Series is who has how many series: `series top`. Of the lists, the one is there that
// was asked for.
type Series struct {
	By      string         `json:"by"`                // metric, label, value or sender
	Label   string         `json:"label,omitempty"`   // whose values they are
	Sampled float64        `json:"sampled,omitempty"` // per cent of the series that were read, where not all were
	Metrics []SeriesMetric `json:"metrics,omitempty"`
	Labels  []SeriesLabel  `json:"labels,omitempty"`
	Values  []SeriesValue  `json:"values,omitempty"`
	Senders []SeriesSender `json:"senders,omitempty"`
}

// SeriesMetric is how many series a metric has.
type SeriesMetric struct {
	Metric   string `json:"metric"`
	Series   int64  `json:"series"`
	LastHour int64  `json:"created_last_hour"`
}

// SeriesLabel is how many series have a label, and how many values it has.
type SeriesLabel struct {
	Label  string `json:"label"`
	Values int64  `json:"distinct_values"`
	Series int64  `json:"series"`
}

// SeriesValue is how many series have a value of a label.
type SeriesValue struct {
	Value  string `json:"value"`
	Series int64  `json:"series"`
}

// SeriesSender is how many new series a sender has brought, by whole hours.
type SeriesSender struct {
	Sender   string `json:"sender"`
	LastHour int64  `json:"created_last_hour"`
	LastDay  int64  `json:"created_last_day"`
	LastWeek int64  `json:"created_last_week"`
}

// NewSeriesMetric shows a metric.
func NewSeriesMetric(m census.Metric) SeriesMetric {
	return SeriesMetric{Metric: m.Name, Series: m.Series, LastHour: m.CreatedLastHour}
}

// NewSeriesLabel shows a label.
func NewSeriesLabel(l census.Label) SeriesLabel {
	return SeriesLabel{Label: l.Name, Values: l.Values, Series: l.Series}
}

// NewSeriesValue shows a value of a label.
func NewSeriesValue(v census.Value) SeriesValue { return SeriesValue{Value: v.Value, Series: v.Series} }

// NewSeriesSender shows a sender.
func NewSeriesSender(s census.Sender) SeriesSender {
	return SeriesSender{Sender: s.Name, LastHour: s.LastHour, LastDay: s.LastDay, LastWeek: s.LastWeek}
}
