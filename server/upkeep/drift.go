package upkeep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/flownode/progress"
	"laminar/flownode/verify"
	"laminar/sequence"
	"laminar/server/view"
	"laminar/sqlstore/flowstore"
)

// Verify says when how much of the result tables is compared with the raw
// samples.
type Verify struct {
	Schedule string  // "" is never
	Sample   float64 // part of the closed windows, 0 < Sample <= 1
}

// flowLister lists the flows that there are.
type flowLister interface {
	List(ctx context.Context) ([]flowstore.FlowStatus, error)
}

// driftWatch compares a part of the result tables with the raw samples at every
// due time, other windows each time: over many due times it sees most windows,
// at the cost of a few. What it finds is logged and counted, never changed.
type driftWatch struct {
	flows    flowLister
	verifier *verify.Verifier
	changes  changeLogs
	part     float64
	log      *slog.Logger

	// What this process has compared. Of several processes one takes each due
	// time, so the counters are to be added up and the newest lastRun counts.
	windows     prometheus.Counter
	skipped     *prometheus.CounterVec // windows that may rightly differ just now, by reason
	differences *prometheus.CounterVec // cells, by flow
	lastRun     prometheus.Gauge       // only moved when all flows could be compared
	lastFound   prometheus.Gauge
}

func newDriftWatch(flows flowLister, verifier *verify.Verifier, changes changeLogs, part float64, log *slog.Logger, reg prometheus.Registerer) *driftWatch {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "laminar", Subsystem: "verify", Name: name, Help: help}
	}
	w := &driftWatch{
		flows: flows, verifier: verifier, changes: changes, part: part, log: log,
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

// run compares each flow once. The due time only says that it is time: what is
// compared is read in one snapshot per flow.
func (w *driftWatch) run(ctx context.Context, _ time.Time) error {
	// A seed of 52 bits is a number that every JSON reader takes whole.
	opts := verify.Options{From: sequence.NoTime, To: sequence.NoTime, Sample: w.part, Seed: rand.Uint64() >> 12}
	flows, err := w.flows.List(ctx)
	if err != nil {
		return err
	}
	var found int64
	var failed error
	for _, f := range flows {
		report, err := w.verifier.Flow(ctx, f.ID, opts)
		switch {
		case err == nil:
			found += report.Found
			w.tell(f, report, opts.Seed)
			if report.Found > 0 {
				// Rows that people have changed by hand are in no change log.
				failed = errors.Join(failed, w.changes.Renew(ctx, f.ID))
			}
		case errors.Is(err, progress.ErrFlowGone), errors.Is(err, verify.ErrFlowReplaced):
			// It went or was replaced since it was listed.
		case ctx.Err() != nil:
			return err
		default: // what is wrong with one flow must not hide the others
			failed = errors.Join(failed, fmt.Errorf("flow %s: %w", f.Def.Title(), err))
		}
	}
	w.lastFound.Set(float64(found))
	if failed == nil {
		w.lastRun.SetToCurrentTime()
	}
	return failed
}

// tell counts what was found of one flow, and logs its first difference with
// the seed, which chooses the same windows in `laminar verify`.
func (w *driftWatch) tell(f flowstore.FlowStatus, r verify.Report, seed uint64) {
	w.windows.Add(float64(r.Windows))
	for why, n := range r.Skipped {
		w.skipped.WithLabelValues(string(why)).Add(float64(n))
	}
	w.differences.WithLabelValues(r.Flow).Add(float64(r.Found))
	if r.Found > 0 {
		first := view.NewVerifiedFlow(f.Def, r).Cells[0]
		w.log.Error("result table differs from the raw samples", "flow", r.Flow, "differences", r.Found, "windows", r.Windows,
			"kind", first.Kind, "window_end", first.WindowEnd, "labels", view.FormatLabels(first.Labels),
			"stored", view.OrNone(first.Stored), "computed", view.OrNone(first.Computed), "seed", seed)
	}
}
