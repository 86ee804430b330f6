package server

import (
	"context"

	"laminar/flownode"
	"laminar/ingest"
	"laminar/sequence"
	"laminar/sqlstore"
)

// The store returns its own types, ingest and the flownode ask for interfaces of
// theirs, and none knows another: here they are joined.

// IngestStore is the store as ingest asks for it.
type IngestStore struct{ *sqlstore.Store }

// BeginFlush is Store.BeginFlush.
func (s IngestStore) BeginFlush(ctx context.Context, region sequence.Region, id sequence.FlushID) (ingest.FlushTx, error) {
	tx, err := s.Store.BeginFlush(ctx, region, id)
	if err != nil {
		return nil, err
	}
	return tx, nil
}

// NodeStore is the store as the flownode asks for it.
type NodeStore struct{ *sqlstore.Store }

// Snapshot is Store.Snapshot.
func (s NodeStore) Snapshot(ctx context.Context) (flownode.Snapshot, error) {
	snap, err := s.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return snap, nil
}

// StoredSnapshot is Store.Snapshot, which also shows what is stored of flows.
func (s NodeStore) StoredSnapshot(ctx context.Context) (flownode.StoredSnapshot, error) {
	snap, err := s.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return snap, nil
}

var (
	_ ingest.Store               = IngestStore{}
	_ ingest.MetadataStore       = (*sqlstore.Store)(nil)
	_ ingest.ReplicaElector      = (*sqlstore.Store)(nil)
	_ flownode.Snapshotter       = NodeStore{}
	_ flownode.StoredSnapshotter = NodeStore{}
	_ flownode.Catalog           = (*sqlstore.Store)(nil)
	_ flownode.Materializer      = (*sqlstore.Store)(nil)
	_ flownode.JobQueue          = (*sqlstore.Store)(nil)
	_ flownode.Elector           = (*sqlstore.Store)(nil)
)
