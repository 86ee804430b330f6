package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/flownode"
	"laminar/flownode/progress"
	"laminar/server/view"
	"laminar/sqlstore"
)

// driftWatch compares a part of the result tables with the raw samples whenever
// its schedule says so, other windows each time.
type driftWatch struct {
	store *sqlstore.Store
	part  float64
	log   *slog.Logger

	windows     prometheus.Counter
	skipped     *prometheus.CounterVec
	differences *prometheus.CounterVec
	lastRun     prometheus.Gauge
	lastFound   prometheus.Gauge
}

func newDriftWatch(store *sqlstore.Store, part float64, log *slog.Logger, reg prometheus.Registerer) *driftWatch {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "laminar", Subsystem: "verify", Name: name, Help: help}
	}
	w := &driftWatch{
		store: store, part: part, log: log,
		windows: prometheus.NewCounter(prometheus.CounterOpts(opts("windows_total", "Windows of result tables compared with the raw samples."))),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts(opts("skipped_windows_total",
			"Windows left out of a comparison, by reason.")), []string{"reason"}),
		differences: prometheus.NewCounterVec(prometheus.CounterOpts(opts("differences_total",
			"Cells of result tables that were not what the raw samples give.")), []string{"flow"}),
		lastRun:   prometheus.NewGauge(prometheus.GaugeOpts(opts("last_run_timestamp_seconds", "When all flows were last compared."))),
		lastFound: prometheus.NewGauge(prometheus.GaugeOpts(opts("last_differences", "Differences that the last comparison found."))),
	}
	reg.MustRegister(w.windows, w.skipped, w.differences, w.lastRun, w.lastFound)
	return w
}

// run compares once.
func (w *driftWatch) run(ctx context.Context, _ time.Time) error {
	opts := flownode.VerifyOptions{From: progress.Unset, To: progress.Unset, Sample: w.part, Seed: rand.Uint64() >> 12}
	var found int64
	err := verifyFlows(ctx, w.store, opts, func(f sqlstore.FlowStatus, r flownode.VerifyReport) {
		found += r.Found
		w.windows.Add(float64(r.Windows))
		for why, n := range r.Skipped {
			w.skipped.WithLabelValues(string(why)).Add(float64(n))
		}
		w.differences.WithLabelValues(r.Flow).Add(float64(r.Found))
		if r.Found > 0 {
			first := view.NewVerifiedFlow(f.Def, r).Cells[0]
			w.log.Error("result table differs from the raw samples", "flow", r.Flow, "differences", r.Found, "windows", r.Windows,
				"kind", first.Kind, "window_end", first.WindowEnd, "labels", view.FormatLabels(first.Labels),
				"stored", view.OrNone(first.Stored), "computed", view.OrNone(first.Computed), "seed", opts.Seed)
		}
	})
	w.lastFound.Set(float64(found))
	if err == nil {
		w.lastRun.SetToCurrentTime()
	}
	return err
}
