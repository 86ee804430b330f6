package server

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/ingest"
	"laminar/server/view"
	"laminar/sqlstore"
)

// taken says what a process has taken in: what its ingester remembers, and the counts that
// it shows to Prometheus.
func taken(ingester *ingest.Ingester, buffer int64, metrics prometheus.Gatherer, now time.Time) (view.Ingest, error) {
	if ingester == nil {
		return view.NoIngest(sqlstore.ProcessName(), now), nil
	}
	v := view.NewIngest(ingester.Recent, sqlstore.ProcessName(), now)
	v.BufferLimit = buffer
	families, err := metrics.Gather()
	if err != nil {
		return v, fmt.Errorf("read what was taken in: %w", err)
	}
	to := map[string]*int64{
		"samples_total": &v.Samples, "repeated_samples_total": &v.Repeats, "unordered_samples_total": &v.Unordered, "histograms_total": &v.Histograms,
		"requests_under_way": &v.Requests, "buffer_bytes": &v.BufferBytes, "active_series": &v.Series, "active_series_limit": &v.SeriesLimit,
	}
	for _, family := range families {
		for name, value := range to {
			if family.GetName() == "laminar_ingest_"+name {
				one := family.GetMetric()[0]
				*value = int64(one.GetCounter().GetValue() + one.GetGauge().GetValue())
			}
		}
		if family.GetName() == "laminar_ingest_sample_age_seconds" {
			v.Ages = view.NewAges(family.GetMetric()[0].GetHistogram())
		}
		if family.GetName() == "laminar_ingest_flushes_total" {
			for _, one := range family.GetMetric() {
				v.Flushes[one.GetLabel()[0].GetValue()] = int64(one.GetCounter().GetValue())
			}
		}
	}
	return v, nil
}
