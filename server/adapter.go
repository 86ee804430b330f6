package server

import (
	"context"
	"net/http"

	"laminar/flownode"
	"laminar/flownode/read"
	"laminar/flownode/verify"
	"laminar/ingest"
	"laminar/ingest/metadata"
	"laminar/ingest/replica"
	"laminar/sequence"
	"laminar/server/web"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/senders"
)

// The store returns its own types, ingest and the flownode ask for interfaces of
// theirs, and none knows another: here they are joined.

// IngestStore is the writer of the store as ingest asks for it.
type IngestStore struct{ *raw.Writer }

// BeginFlush is Writer.BeginFlush.
func (s IngestStore) BeginFlush(ctx context.Context, region sequence.Region, id sequence.FlushID) (ingest.FlushTx, error) {
	tx, err := s.Writer.BeginFlush(ctx, region, id)
	if err != nil {
		return nil, err
	}
	return tx, nil
}

// named tells ingest who sends a request.
func named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(ingest.WithSender(r.Context(), web.SenderOf(r))))
	})
}

// NodeStore is what the flownode reads of the store, as it asks for it.
type NodeStore struct{ Store *sqlstore.Store }

// CurrentVector is Reader.CurrentVector.
func (s NodeStore) CurrentVector(ctx context.Context) (sequence.Vector, error) {
	return s.Store.Reader.CurrentVector(ctx)
}

// Snapshot is Catalogue.Stored.
func (s NodeStore) Snapshot(ctx context.Context) (read.Snapshot, error) {
	snap, err := s.Store.Catalogue.Stored(ctx)
	if err != nil {
		return nil, err
	}
	return snap, nil
}

// StoredSnapshot is Catalogue.Stored.
func (s NodeStore) StoredSnapshot(ctx context.Context) (verify.Snapshot, error) {
	snap, err := s.Store.Catalogue.Stored(ctx)
	if err != nil {
		return nil, err
	}
	return snap, nil
}

var (
	_ ingest.Store          = IngestStore{}
	_ metadata.Store        = (*senders.Store)(nil)
	_ replica.Elector       = (*senders.Store)(nil)
	_ flownode.Snapshotter  = NodeStore{}
	_ verify.Store          = NodeStore{}
	_ flownode.Catalog      = (*flowstore.Catalogue)(nil)
	_ flownode.Materializer = (*flowstore.Results)(nil)
	_ flownode.JobQueue     = (*flowstore.Jobs)(nil)
	_ flownode.Elector      = (*flowstore.Member)(nil)
)
