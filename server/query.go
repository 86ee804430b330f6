package server

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/flownode"
	"laminar/flownode/verify"
	"laminar/query"
	"laminar/server/ownapi"
	"laminar/server/promapi"
	"laminar/server/view"
	"laminar/server/web"
	"laminar/sqlstore"
)

// QueryStore is what queries read of the store, as they ask for it.
type QueryStore struct{ Readers *sqlstore.Readers }

// Snapshot is Catalogue.Stored.
func (s QueryStore) Snapshot(ctx context.Context, names []string) (query.Snapshot, error) {
	snap, err := s.Readers.Catalogue.Stored(ctx, names...)
	if err != nil {
		return nil, err
	}
	return snap, nil
}

var _ query.Store = QueryStore{}

// besideQueries is how many connections there are beside one for each query under way:
// large readings are shared between sessions.
const besideQueries = 2

// bodyShare is which part of the memory of queries the bodies of their requests may take in
// addition.
const bodyShare = 8

// newQueries makes what answers queries, on connections of its own, which the host closes;
// nil where queries are not answered.
func newQueries(ctx context.Context, c Config, mem memory, h *host, log *slog.Logger, reg prometheus.Registerer) (*query.Queries, error) {
	if !c.Query.Enabled {
		return nil, nil
	}
	var err error
	if h.readers, err = h.store.OpenReaders(ctx, c.Query.MaxConcurrent+besideQueries); err != nil {
		return nil, err
	}
	return query.New(query.Config{
		Timeout: c.Query.Timeout, MaxSamples: mem.samples, LightSamples: mem.light, MaxConcurrent: c.Query.MaxConcurrent,
		MaxMemory: mem.query, MemoryLimit: mem.collected(),
		Lookback: c.Query.Lookback, FromFlows: c.Query.FromFlows, Store: QueryStore{h.readers}, Log: log, Registerer: reg,
	}), nil
}

// newAPI makes what answers requests with queries; nil where queries are not answered.
func newAPI(c Config, mem memory, queries *query.Queries, h *host, log *slog.Logger, reg prometheus.Registerer) http.Handler {
	if queries == nil {
		return nil
	}
	return promapi.New(promapi.Config{
		Queries: queries, Metadata: h.readers.Senders, Rules: Rules{h.readers}, Build: promapi.Build{Version: c.Version},
		Flags: map[string]string{
			"raw.retention": c.Upkeep.Retention.String(), "raw.regions": strconv.Itoa(c.Regions),
			"query.timeout": c.Query.Timeout.String(), "query.lookback": c.Query.Lookback.String(),
			"query.max_samples": strconv.Itoa(mem.samples), "query.max_concurrent": strconv.Itoa(c.Query.MaxConcurrent),
			"query.from_flows": string(c.Query.FromFlows),
		},
		BodyBytes: mem.query / bodyShare, Log: log, Registerer: reg,
	})
}

// newOwnAPI makes what shows flows and what changes them, on connections of its own, which the
// host closes. node is nil where the process keeps no flows; taken says what it has taken in.
func newOwnAPI(ctx context.Context, c Config, h *host, node *flownode.Node, taken func() (view.Ingest, error), log *slog.Logger) (*ownapi.API, error) {
	var err error
	if h.lookers, err = h.store.OpenReaders(ctx, ownapi.Conns); err != nil {
		return nil, err
	}
	return ownapi.New(ownapi.Config{
		Readers: h.lookers, Node: node, Executor: c.Flownode.Executor, Version: c.Version, Parts: c.Parts, Schema: c.Database.ResultSchema,
		May: func(r *http.Request) (may []string) {
			for _, scope := range web.MayOf(r) {
				may = append(may, string(scope))
			}
			return may
		},
		Who: web.SenderOf, Taken: taken, Verifier: verify.New(NodeStore{h.store}, time.Now), Now: time.Now, Log: log,
	}), nil
}
