package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"laminar/console"
	"laminar/flownode"
	"laminar/flownode/progress"
	"laminar/flownode/verify"
	"laminar/ingest"
	"laminar/ingest/refusal"
	"laminar/ingest/remotewrite"
	"laminar/ingest/replica"
	"laminar/query"
	"laminar/sequence"
	"laminar/sequence/relabeling"
	"laminar/server/reload"
	"laminar/server/upkeep"
	"laminar/server/view"
	"laminar/server/web"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
)

// ListenError says that the address cannot be listened on.
type ListenError struct {
	Address string
	Err     error
}

func (e *ListenError) Error() string { return fmt.Sprintf("listen on %s: %v", e.Address, e.Err) }
func (e *ListenError) Unwrap() error { return e.Err }

// Hint tells what to do instead.
func (e *ListenError) Hint() string { return "another --listen address" }

// Run serves until ctx ends or a part fails, and returns when all of it is gone:
// the requests under way have been answered, what was buffered is committed, the
// private PostgreSQL has stopped.
//
// It refuses with a web.ExposedError to listen where anyone could write, and with
// a ListenError when the address is taken.
func Run(ctx context.Context, c Config, log *slog.Logger) (err error) {
	if err := c.Web.Check(); err != nil {
		return err
	}
	if err := c.CheckParts(); err != nil {
		return err
	}
	if err := c.checkOwner(); err != nil {
		return err
	}
	mem := divide(&c, groupLimit("/"))
	mem.apply(log)
	listener, err := net.Listen("tcp", c.Web.Listen)
	if err != nil {
		return &ListenError{Address: c.Web.Listen, Err: err}
	}
	h, err := openHost(ctx, c, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, h.close(ctx)) }()
	parts, err := assemble(ctx, c, mem, h, listener, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if c.Beside != nil {
		svc := Service{Address: listener.Addr().String(), Store: h.store}
		parts = append(parts, part{"beside", func(ctx context.Context) error { return c.Beside(ctx, svc) }})
	}
	log.Info("serving", "listen", listener.Addr().String(), "version", c.Version)
	return runParts(ctx, parts)
}

// assemble makes the parts of a process; nothing runs yet. The flows that are
// configured are written to the catalogue.
func assemble(ctx context.Context, c Config, mem memory, h *host, listener net.Listener, log *slog.Logger) ([]part, error) {
	store := h.store
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	for _, purpose := range sqlstore.Leases {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "laminar", Name: "waiting_for_lock",
			Help:        "1 while this process waits for another session before it may do what one at a time does. A flownode that stands by waits for flows.",
			ConstLabels: prometheus.Labels{"purpose": purpose},
		}, func() float64 {
			if store.Waiting(purpose) {
				return 1
			}
			return 0
		}))
	}
	notifier := store.NewNotifier()
	parts := []part{
		{"private PostgreSQL", h.supervise},
		{"mirror writes", notifier.Run},
		{"stuck sessions", func(ctx context.Context) error { return store.EndStuck(ctx, sqlstore.StuckAfter) }},
	}
	queries, err := newQueries(ctx, c, mem, h, log, reg)
	if err != nil {
		return nil, err
	}
	if queries != nil {
		parts = append(parts, part{"memory of queries", queries.Run})
	}
	routes := web.Routes{Read: newAPI(c, mem, queries, h, log, reg), Metrics: reg, Ready: store.Ping, Profiles: c.Web.Pprof, Log: log}
	if routes.ConsoleDir = c.Web.ConsoleDir(); routes.ConsoleDir != "" {
		if routes.Console, err = console.New(routes.ConsoleDir); err != nil {
			return nil, err
		}
	}
	hub, err := newHub(ctx, c, h, log, reg)
	if err != nil {
		return nil, err
	}
	if hub != nil {
		routes.Follow = hub
		parts = append(parts, part{"subscriptions", hub.Run})
	}
	hint := func(sequence.Region, sequence.Seq) {} // other processes are told by the notifier
	var node *flownode.Node
	if c.Does(PartFlows) {
		node, err = newNode(c, mem, store, store.Members.New(listener.Addr().String()), queries, log, reg)
		if err != nil {
			return nil, err
		}
		hint = node.Hint
		store.Results.OnChange(func(flows []progress.FlowID) {
			if hub != nil {
				hub.Changed(flows)
			}
			notifier.Changed(flows)
		})
		parts = append(parts, part{"flownode", node.Run})
	}
	if node != nil || hub != nil {
		parts = append(parts, part{"mirror writes of others", listening(store, node, hub)})
	}
	var ingester *ingest.Ingester
	if c.Does(PartIngest) {
		ready := &readiness{probe: store.Writable, now: time.Now}
		ingester, err = newIngester(c, watchedStore{IngestStore{store.Writer}, ready}, mem, store, log, reg, func(commit ingest.Commit) {
			hint(commit.Region, commit.Seq)
			notifier.Send(commit.Region, commit.Seq)
		})
		if err != nil {
			return nil, err
		}
		receiver, err := remotewrite.New(ingester, remotewrite.Config{
			BodyBytes: c.Ingest.MaxBody, DecodedBytes: c.Ingest.MaxDecoded, Logger: log, Registerer: reg,
		})
		if err != nil {
			return nil, err
		}
		routes.Write, routes.Import, routes.Ready = named(receiver.Write()), named(receiver.Import()), ready.check
		parts = append(parts, part{"ingest", ingester.Run})
	}
	own, err := newOwnAPI(ctx, c, h, node, func() (view.Ingest, error) {
		return taken(ingester, mem.buffer, reg, time.Now())
	}, log)
	if err != nil {
		return nil, err
	}
	routes.Own = own
	parts = append(parts, part{"verifications", own.Run})
	if c.Does(PartUpkeep) {
		own, err := upkeepParts(ctx, c, store, &routes, log, reg)
		if err != nil {
			return nil, err
		}
		parts = append(parts, own...)
	}
	return append(parts, part{"http", web.New(listener, c.Web, routes.Handler(), log, reg).Run}), nil
}

// upkeepParts is what only the owner of the tables may do: sealing, retention, drops,
// and the definition files.
func upkeepParts(ctx context.Context, c Config, store *sqlstore.Store, routes *web.Routes, log *slog.Logger, reg prometheus.Registerer) ([]part, error) {
	keeper, err := upkeep.New(c.Upkeep, store, verify.New(NodeStore{store}, time.Now), log, reg)
	if err != nil {
		return nil, err
	}
	if err := store.Retainer.Keep(ctx, c.Upkeep.Retention, c.Upkeep.RetentionGrace); err != nil {
		return nil, err
	}
	loader := reload.New(c.FlowsAgain, store.Catalogue, c.Upkeep.Retention.Milliseconds(), log, reg, func() float64 {
		return float64(time.Now().UnixMilli()) / 1000
	})
	if err := loader.Start(ctx, c.Flows); err != nil {
		return nil, err
	}
	routes.Reload = loader.Handler()
	return []part{
		{"maintenance", keeper.Run},
		{"reload", func(ctx context.Context) error { return loader.Run(ctx, c.Hangups) }},
	}, nil
}

func newNode(c Config, mem memory, store *sqlstore.Store, member *flowstore.Member, queries *query.Queries, log *slog.Logger, reg prometheus.Registerer) (*flownode.Node, error) {
	alerts, sender, err := newAlerting(c, store, queries, log, reg)
	if err != nil {
		return nil, err
	}
	var tell func(context.Context, int64)
	if sender != nil {
		tell = sender.Run
	}
	return flownode.New(flownode.Config{
		Snapshots: NodeStore{store}, Catalog: store.Catalogue, Results: store.Results, Jobs: store.Jobs, Elector: member,
		Alerts: alerts, WhileLeading: tell,
		Executor: c.Flownode.Executor, RoundBudget: c.Flownode.RoundBudget, MaxStateBytes: mem.state, MaxWindowBytes: mem.state,
		// Most connections are for taking samples in, which must not wait.
		MaxRounds: max(1, c.Database.MaxConnections/4),
		Logger:    log, Metrics: flownode.NewMetrics(reg),
	})
}

func newIngester(c Config, flushes ingest.Store, mem memory, store *sqlstore.Store, log *slog.Logger, reg prometheus.Registerer, committed func(ingest.Commit)) (*ingest.Ingester, error) {
	relabel, err := relabeling.New(c.Ingest.Relabel)
	if err != nil {
		return nil, fmt.Errorf("ingest.relabel: %w", err)
	}
	return ingest.New(flushes, ingest.Config{
		Regions: store.Schema.Regions(),
		Limits: refusal.Limits{
			Labels: c.Ingest.MaxLabels, LabelBytes: int(c.Ingest.MaxLabelBytes), Ahead: c.Ingest.MaxAhead,
			Age:    c.maxAge(),
			Series: c.Ingest.MaxSeries, SeriesOfMetric: c.Ingest.SeriesMetric, SeriesBytes: mem.series, NewSeries: c.Ingest.SeriesMinute,
		},
		BufferBytes: mem.buffer, MaxRequests: c.Ingest.MaxRequests, FlushSamples: c.Ingest.FlushSamples, Linger: c.Ingest.Linger,
		StartZeros: c.Ingest.Starts == StartsZero, Metadata: store.Senders,
		HA: replica.Config{
			ClusterLabel: c.HA.ClusterLabel, ReplicaLabel: c.HA.ReplicaLabel, Failover: c.HA.FailoverTimeout, Elector: store.Senders,
		},
		Relabel:  relabel,
		OnCommit: committed,
		Logger:   log, Registerer: reg,
	})
}
