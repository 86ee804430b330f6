package sqlstore

import (
	"context"

	"laminar/sqlstore/alertstore"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw"
)

// Status is the state of an installation as of about now: each part is read by
// one statement. Times are milliseconds since the epoch, or sequence.NoTime.
type Status struct {
	Regions []raw.RegionStatus
	Flows   []flowstore.FlowStatus
	Storage raw.StorageStatus

	Retention raw.Retention
	Loss      raw.Loss // what a step of retention would give up that is held back
	Members   []flowstore.MemberStatus
	Leases    []LeaseStatus
	Alerts    []alertstore.Listed
}

// LeaseStatus is who does what one process at a time should do, or who holds it up.
type LeaseStatus = pg.Held

// Status reads the state of the installation.
func (s *Store) Status(ctx context.Context) (Status, error) { return s.readers().Status(ctx) }

// Status reads the state of the installation.
func (s *Readers) Status(ctx context.Context) (Status, error) {
	regions, err := s.Reader.Regions(ctx)
	if err != nil {
		return Status{}, err
	}
	storage, err := s.keeper.Storage(ctx)
	if err != nil {
		return Status{}, err
	}
	retention, err := s.retainer.Retention(ctx)
	if err != nil {
		return Status{}, err
	}
	loss, err := s.retainer.Loss(ctx, retention)
	if err != nil {
		return Status{}, err
	}
	flows, err := s.Catalogue.List(ctx)
	if err != nil {
		return Status{}, err
	}
	members, err := s.Members.List(ctx)
	if err != nil {
		return Status{}, err
	}
	alerts, err := s.Alerts.List(ctx)
	if err != nil {
		return Status{}, err
	}
	leases, err := s.db.Leases(ctx)
	return Status{
		Regions: regions, Flows: flows, Storage: storage, Retention: retention, Loss: loss, Members: members, Leases: leases, Alerts: alerts,
	}, err
}
