package main

import (
	"context"

	"laminar/flownode"
	"laminar/ingest"
	"laminar/sequence"
	"laminar/sqlstore"
)

// The store returns its own types, those who use it ask for their interfaces,
// and neither knows the other: here they are joined.

// ingestStore is the store as the ingester wants it.
type ingestStore struct{ *sqlstore.Store }

// BeginFlush is Store.BeginFlush.
func (s ingestStore) BeginFlush(ctx context.Context, region sequence.Region, id sequence.FlushID) (ingest.FlushTx, error) {
	tx, err := s.Store.BeginFlush(ctx, region, id)
	if err != nil {
		return nil, err
	}
	return tx, nil
}

// nodeStore is the store as the flownode wants it.
type nodeStore struct{ *sqlstore.Store }

// Snapshot is Store.Snapshot.
func (s nodeStore) Snapshot(ctx context.Context) (flownode.Snapshot, error) {
	snap, err := s.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return snap, nil
}

// StoredSnapshot is Store.Snapshot, which also shows what is stored of flows.
func (s nodeStore) StoredSnapshot(ctx context.Context) (flownode.StoredSnapshot, error) {
	snap, err := s.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return snap, nil
}

var (
	_ ingest.Store               = ingestStore{}
	_ ingest.MetadataStore       = (*sqlstore.Store)(nil)
	_ ingest.Elector             = (*sqlstore.Store)(nil)
	_ flownode.Snapshotter       = nodeStore{}
	_ flownode.StoredSnapshotter = nodeStore{}
	_ flownode.Catalog           = (*sqlstore.Store)(nil)
	_ flownode.Materializer      = (*sqlstore.Store)(nil)
	_ flownode.JobQueue          = (*sqlstore.Store)(nil)
	_ flownode.Elector           = (*sqlstore.Store)(nil)
)
