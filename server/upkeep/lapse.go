package upkeep

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/sqlstore/lapsed"
)

// remover removes series and metrics that have no samples any more.
type remover interface {
	Remove(ctx context.Context) (lapsed.Report, error)
}

// lapse removes the series and metrics that dropped samples have left behind. When
// there is nothing to be done, a look costs one row.
type lapse struct {
	remover remover
	log     *slog.Logger
	said    bool // the log has that segments do not list their series

	series, metrics prometheus.Counter
}

func newLapse(from remover, log *slog.Logger, reg prometheus.Registerer) *lapse {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "laminar", Subsystem: "lapsed", Name: name, Help: help})
	}
	l := &lapse{
		remover: from, log: log,
		series:  counter("series_total", "Series that this process removed because no sample of them is stored any more."),
		metrics: counter("metrics_total", "Metrics that this process removed because they have no series any more."),
	}
	reg.MustRegister(l.series, l.metrics)
	return l
}

func (l *lapse) run(ctx context.Context, _ time.Time) error {
	began := time.Now()
	report, err := l.remover.Remove(ctx)
	l.series.Add(float64(report.Series))
	l.metrics.Add(float64(report.Metrics))
	if report.Unlisted > 0 && !l.said {
		l.log.Info("series without samples stay until segments from before the update have been dropped", "segments", report.Unlisted)
	}
	l.said = report.Unlisted > 0
	if report.Series+report.Metrics > 0 {
		l.log.Info("removed what has no samples any more", "series", report.Series, "metrics", report.Metrics, "took", time.Since(began).Round(time.Millisecond))
	}
	return err
}
