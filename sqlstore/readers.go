package sqlstore

import (
	"context"

	"laminar/sqlstore/alertstore"
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
	Alerts    *alertstore.Store
	Senders   *senders.Store
}

// OpenReaders makes readers with so many connections, which are opened when they are
// needed. Close them before the store.
func (s *Store) OpenReaders(ctx context.Context, conns int) (*Readers, error) {
	db, err := s.db.Apart(ctx, int32(conns))
	if err != nil {
		return nil, err
	}
	r := &Readers{db: db, Reader: raw.NewReader(db), Senders: senders.New(db), Alerts: alertstore.New(db, flowstore.LeaderLease)}
	r.Catalogue, _, _ = flowstore.New(db, r.Reader, s.resultSchema)
	return r, nil
}

// Close waits until all connections have been given back, then closes them.
func (r *Readers) Close() { r.db.Close() }
