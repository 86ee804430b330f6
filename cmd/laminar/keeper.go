package main

import (
	"context"
	"log/slog"
	"time"

	"laminar/server/view"
	"laminar/sqlstore"
)

// rawStore is what looking after the raw data needs of the store.
type rawStore interface {
	Status(ctx context.Context) (sqlstore.Status, error)
	Seal(ctx context.Context, opts sqlstore.SealOptions) (sqlstore.SealReport, error)
	Retain(ctx context.Context, before int64) (sqlstore.RetainReport, error)
	DropUnused(ctx context.Context) (sqlstore.DropReport, error)
}

// rawKeeper looks after the raw data: it seals what is old, gives up what is
// older than the retention, and clears away tables nobody needs.
type rawKeeper struct {
	config *config
	store  rawStore
	log    *slog.Logger
}

// seal seals if the current generation is old enough or the hot segments are
// too many. When they are too many, flows are not waited for: a flow that
// stands still must not fill the disk.
func (k *rawKeeper) seal(ctx context.Context, now time.Time) error {
	st, err := k.store.Status(ctx)
	if err != nil {
		return err
	}
	age := now.Sub(time.UnixMilli(st.Storage.CurrentSince))
	full := st.Storage.HotBytes >= k.config.Seal.MaxHot
	if age < k.config.Seal.After && !full {
		return nil
	}
	report, err := k.store.Seal(ctx, sqlstore.SealOptions{Wait: k.config.Seal.MaxWait, Force: full})
	if err != nil {
		return err
	}
	if len(report.Sealed) > 0 {
		k.log.Info("sealed", "generations", report.Sealed, "samples", report.Samples, "segments", report.Segments,
			"flows_behind", report.Behind)
	}
	return nil
}

// retain gives up samples older than the retention and drops what nobody can
// read any more.
func (k *rawKeeper) retain(ctx context.Context, now time.Time) error {
	var report sqlstore.RetainReport
	var err error
	if k.config.Raw.Retention > 0 {
		report, err = k.store.Retain(ctx, now.Add(-k.config.Raw.Retention).UnixMilli())
	} else {
		report.Drop, err = k.store.DropUnused(ctx)
	}
	if len(report.Drop.Dropped) > 0 {
		k.log.Info("dropped", "tables", report.Drop.Dropped, "waiting", report.Drop.Waiting, "samples_from", view.FormatTime(report.Earliest))
	}
	return err
}
