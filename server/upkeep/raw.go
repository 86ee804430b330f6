package upkeep

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/server/view"
	"laminar/sqlstore/raw"
)

// Seal says when raw data is sealed. Sealing makes samples smaller and cheaper
// to read, at the price of their exact sequences: a flow that has not read a
// generation when it is sealed has to refill. So there is a time to wait, and
// two bounds on waiting.
type Seal struct {
	// After is the age at which a generation is sealed, counted from when it
	// was begun.
	After time.Duration
	// MaxWait is how long sealing then waits for flows that have not read the
	// generation.
	MaxWait time.Duration
	// MaxHot is the size of all hot segments, in bytes, from which on sealing
	// neither waits for an age nor for flows.
	MaxHot int64
}

// rawStore is what looking after the raw data needs of the store. Each of its
// methods may be called by several processes at once: sqlstore keeps a
// generation from being sealed twice and a time from going back.
type rawStore interface {
	Storage(ctx context.Context) (raw.StorageStatus, error)
	Seal(ctx context.Context, opts raw.SealOptions) (raw.SealReport, error)
	DropUnused(ctx context.Context) (raw.DropReport, error)
}

// retainer is the same for retention.
type retainer interface {
	Retain(ctx context.Context, keep time.Duration) (raw.RetainReport, error)
	Retention(ctx context.Context) (raw.Retention, error)
}

// rawKeeper looks after the raw data: it seals what is old, gives up what is
// older than the retention, and drops tables that no reader needs. What is to be
// done is read from the database each time.
type rawKeeper struct {
	when      Seal
	retention time.Duration // 0: nothing is given up
	store     rawStore
	retainer  retainer
	log       *slog.Logger

	// What the last look at retention found. Only the task of retention looks.
	held, pending prometheus.Gauge
	said          int64 // the held step that the log has, ms since the epoch; 0 for none
	future        bool  // the log has that the retention's time is in the future
}

func newRawKeeper(c Config, store rawStore, retainer retainer, log *slog.Logger, reg prometheus.Registerer) *rawKeeper {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "laminar", Subsystem: "retention", Name: name, Help: help})
	}
	k := &rawKeeper{
		when: c.Seal, retention: c.Retention, store: store, retainer: retainer, log: log,
		held:    gauge("held", "Whether a step of retention is held back until a person confirms it, 1 or 0."),
		pending: gauge("pending_seconds", "How much time of raw samples a step that is held back would give up."),
	}
	reg.MustRegister(k.held, k.pending)
	return k
}

// seal seals when the current generation is old enough (age >= After) or the hot
// segments are too many (bytes >= MaxHot). When they are too many it does not
// wait for flows: a flow that stands still must not fill the disk, and it can
// refill what it missed (precision_lost), which only costs time.
//
// now is the due time, hence by the database's clock, as the age is.
func (k *rawKeeper) seal(ctx context.Context, now time.Time) error {
	st, err := k.store.Storage(ctx)
	if err != nil {
		return err
	}
	age := now.Sub(time.UnixMilli(st.CurrentSince))
	full := st.HotBytes >= k.when.MaxHot
	if age < k.when.After && !full {
		return nil
	}
	report, err := k.store.Seal(ctx, raw.SealOptions{Wait: k.when.MaxWait, Force: full})
	if err != nil {
		return err
	}
	if len(report.Sealed) > 0 {
		k.log.Info("sealed", "generations", report.Sealed, "samples", report.Samples, "segments", report.Segments,
			"flows_behind", report.Behind)
	}
	return nil
}

// retain gives up samples older than the retention and drops the tables that no
// reader can see any more. Without a retention it only drops, because sealing and
// deleted flows leave tables behind as well.
//
// Giving up is durable before anything is dropped (I6), so a process that ends
// between the two leaves tables for the next due time and nothing half gone. What is
// given up is decided in the database, by its clock; the due time only says that it
// is time to look.
func (k *rawKeeper) retain(ctx context.Context, _ time.Time) error {
	var report raw.RetainReport
	var err error
	if k.retention > 0 {
		report, err = k.retainer.Retain(ctx, k.retention)
	} else {
		report.Drop, err = k.store.DropUnused(ctx)
	}
	if report.Held > 0 && report.Held != k.said {
		k.said = report.Held
		k.log.Warn("retention is held back: it would give up more than a day at once",
			"from", view.FormatTime(report.Loss.From), "to", view.FormatTime(report.Loss.To), "segments", report.Loss.Segments,
			"try", "laminar retention show")
	}
	if report.Held == 0 && k.said > 0 {
		k.said = 0
		k.log.Info("retention is not held back any more", "samples_from", view.FormatTime(report.Earliest))
	}
	if len(report.Drop.Dropped) > 0 {
		k.log.Info("dropped", "tables", report.Drop.Dropped, "waiting", report.Drop.Waiting, "samples_from", view.FormatTime(report.Earliest))
	}
	return err
}

// look shows where retention stands, in every process and not only in the one that
// applied it.
func (k *rawKeeper) look(ctx context.Context) error {
	r, err := k.retainer.Retention(ctx)
	if err != nil {
		return err
	}
	k.held.Set(0)
	k.pending.Set(0)
	if r.Held >= 0 {
		k.held.Set(1)
		k.pending.Set(float64(r.Held-r.Earliest) / 1000)
	}
	if r.Future() && !k.future {
		k.log.Error("samples are refused that are still to come: the clock was ahead when retention was applied",
			"samples_from", view.FormatTime(r.Earliest), "now", view.FormatTime(r.Now), "try", "laminar retention restore")
	}
	k.future = r.Future()
	return nil
}

// thenLook is work in the one process that takes it, and a look in each.
func (k *rawKeeper) thenLook(work func(context.Context, time.Time) (bool, error)) func(context.Context, time.Time) (bool, error) {
	return func(ctx context.Context, due time.Time) (bool, error) {
		taken, err := work(ctx, due)
		return taken, errors.Join(err, k.look(ctx))
	}
}
