package upkeep

import (
	"context"
	"log/slog"
	"time"

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
	Retain(ctx context.Context, before int64) (raw.RetainReport, error)
	DropUnused(ctx context.Context) (raw.DropReport, error)
}

// rawKeeper looks after the raw data: it seals what is old, gives up what is
// older than the retention, and drops tables that no reader needs. It has no
// state: what is to be done is read from the database each time.
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
// between the two leaves tables for the next due time and nothing half gone.
// now is the due time; whether retention is a little late never matters, because
// its time only grows.
func (k *rawKeeper) retain(ctx context.Context, now time.Time) error {
	var report raw.RetainReport
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
