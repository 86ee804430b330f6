package upkeep

import (
	"context"
	"log/slog"
	"time"

	"laminar/server/view"
	"laminar/sqlstore"
)

// Seal says when raw data is sealed.
type Seal struct {
	After   time.Duration // age at which a generation is sealed
	MaxWait time.Duration // how long sealing waits for flows that have not read it
	MaxHot  int64         // bytes of hot segments from which on nobody is waited for
}

// rawStore is what looking after the raw data needs of the store.
type rawStore interface {
	Status(ctx context.Context) (sqlstore.Status, error)
	Seal(ctx context.Context, opts sqlstore.SealOptions) (sqlstore.SealReport, error)
	Retain(ctx context.Context, before int64) (sqlstore.RetainReport, error)
	DropUnused(ctx context.Context) (sqlstore.DropReport, error)
}

// rawKeeper looks after the raw data: it seals what is old, gives up what is
// older than the retention, and drops tables that no reader needs.
type rawKeeper struct {
	when      Seal
	retention time.Duration // 0: nothing is given up
	store     rawStore
	log       *slog.Logger
}

// seal seals when the current generation is old enough (age >= After) or the hot
// segments are too many (bytes >= MaxHot). When they are too many it does not
// wait for flows: a flow that stands still must not fill the disk, and it can
// refill what it missed (precision_lost), which only costs time.
//
// now is the due time, hence by the database's clock, as the age is.
func (k *rawKeeper) seal(ctx context.Context, now time.Time) error {
	st, err := k.store.Status(ctx)
	if err != nil {
		return err
	}
	age := now.Sub(time.UnixMilli(st.Storage.CurrentSince))
	full := st.Storage.HotBytes >= k.when.MaxHot
	if age < k.when.After && !full {
		return nil
	}
	report, err := k.store.Seal(ctx, sqlstore.SealOptions{Wait: k.when.MaxWait, Force: full})
	if err != nil {
		return err
	}
	if len(report.Sealed) > 0 {
		k.log.Info("sealed", "generations", report.Sealed, "samples", report.Samples, "segments", report.Segments,
			"flows_behind", report.Behind)
	}
	return nil
}

// retain gives up samples older than the retention and drops the tables that
// no reader can see any more. Without a retention it only drops.
func (k *rawKeeper) retain(ctx context.Context, now time.Time) error {
	var report sqlstore.RetainReport
	var err error
	if k.retention > 0 {
		report, err = k.store.Retain(ctx, now.Add(-k.retention).UnixMilli())
	} else {
		report.Drop, err = k.store.DropUnused(ctx)
	}
	if len(report.Drop.Dropped) > 0 {
		k.log.Info("dropped", "tables", report.Drop.Dropped, "waiting", report.Drop.Waiting, "samples_from", view.FormatTime(report.Earliest))
	}
	return err
}
