package sqlstore

import (
	"context"

	"laminar/sqlstore/alertstore"
	"laminar/sqlstore/census"
	"laminar/sqlstore/changes"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/senders"
)

// Readers is the sides of a store that only read, on connections of their own: who
// asks a lot can hold up others who ask, but neither ingest nor flows. All of them are
// safe for concurrent use.
type Readers struct {
	db *pg.DB

	Reader    *raw.Reader
	Catalogue *flowstore.Catalogue
	Jobs      *flowstore.Jobs
	Members   *flowstore.Members
	Census    *census.Census
	Alerts    *alertstore.Store
	Changes   *changes.Store
	Senders   *senders.Store

	keeper   *raw.Keeper   // only to look how much there is
	retainer *raw.Retainer // only to look where it stands
}

// OpenReaders makes readers with so many connections, which are opened when they are
// needed. Close them before the store.
func (s *Store) OpenReaders(ctx context.Context, conns int) (*Readers, error) {
	db, err := s.db.Apart(ctx, int32(conns))
	if err != nil {
		return nil, err
	}
	r := &Readers{
		db: db, Reader: raw.NewReader(db), keeper: raw.NewKeeper(db, 0, 0), retainer: raw.NewRetainer(db, 0), Members: flowstore.NewMembers(db, nil),
		Census: census.New(db), Changes: changes.New(db), Senders: senders.New(db), Alerts: alertstore.New(db, flowstore.LeaderLease),
	}
	r.Catalogue, r.Jobs, _ = flowstore.New(db, r.Reader, s.resultSchema)
	return r, nil
}

// readers is the sides of the store that read, on its own connections.
func (s *Store) readers() *Readers {
	return &Readers{
		db: s.db, Reader: s.Reader, keeper: s.Keeper, retainer: s.Retainer, Catalogue: s.Catalogue, Jobs: s.Jobs, Members: s.Members,
		Census: s.Census, Senders: s.Senders, Alerts: s.Alerts,
	}
}

// Storage tells how much raw data there is.
func (s *Readers) Storage(ctx context.Context) (raw.StorageStatus, error) {
	return s.keeper.Storage(ctx)
}

// Retention is where retention stands, and what a step of it would give up that is held
// back.
func (s *Readers) Retention(ctx context.Context) (raw.Retention, raw.Loss, error) {
	r, err := s.retainer.Retention(ctx)
	if err != nil {
		return r, raw.Loss{}, err
	}
	loss, err := s.retainer.Loss(ctx, r)
	return r, loss, err
}

// ProcessName is what people are told of this process: its host and process id.
func ProcessName() string { return pg.Process() }

// Close waits until all connections have been given back, then closes them.
func (s *Readers) Close() { s.db.Close() }
