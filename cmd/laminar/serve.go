package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	rungroup "github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"laminar/flownode"
	"laminar/ingest"
	"laminar/sqlstore"
)

func (a *app) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Take in samples and keep the flows up to date",
		Long: "Take in samples by remote write and keep the flows up to date, in one process. Without\n" +
			"a database URL a private PostgreSQL is run in the data directory.",
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			return a.serve(cmd.Context(), &c, a.logger(&c), nil)
		},
	}
	addSettingFlags(cmd.Flags(), serving)
	return cmd
}

// service is what is known of a service once it is up.
type service struct {
	address string // host:port it listens on
	store   *sqlstore.Store
}

// serve runs everything until ctx ends or a part of it fails, and returns when
// all of it is gone: the requests under way have been answered, what was
// buffered is written, the private PostgreSQL has stopped. beside, when not
// nil, runs as one more part; when it returns the service ends.
func (a *app) serve(ctx context.Context, c *config, log *slog.Logger, beside func(context.Context, service) error) (err error) {
	if err := checkExposure(c); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return &hintedError{err: fmt.Errorf("listen on %s: %w", c.Listen, err), hint: "another --listen address"}
	}
	h, err := openHost(ctx, c, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, h.close(ctx)) }()
	parts, err := a.assemble(ctx, c, h, listener, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if beside != nil {
		svc := service{address: listener.Addr().String(), store: h.store}
		parts = append(parts, part{"beside", func(ctx context.Context) error { return beside(ctx, svc) }})
	}
	log.Info("serving", "listen", listener.Addr().String(), "version", version)
	return runParts(ctx, parts)
}

// part is one long-lived goroutine of a service. It returns soon after its
// context has ended.
type part struct {
	name string
	run  func(context.Context) error
}

// runParts runs all parts until ctx ends or one of them returns, then ends the
// others and waits for all. It is the one owner of the service's goroutines.
func runParts(ctx context.Context, parts []part) error {
	var group rungroup.Group
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, p := range parts {
		group.Add(func() error {
			err := p.run(ctx)
			if err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			return nil
		}, func(error) { cancel() })
	}
	return group.Run()
}

// assemble makes the parts of a service; nothing runs yet. The flows that are
// configured are written to the catalogue.
func (a *app) assemble(ctx context.Context, c *config, h *host, listener net.Listener, log *slog.Logger) ([]part, error) {
	store := h.store
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	node, err := flownode.New(flownode.Config{
		Snapshots: nodeStore{store}, Catalog: store, Results: store, Jobs: store, Elector: store,
		Executor: flownode.Executor(c.Flownode.Executor), RoundBudget: c.Flownode.RoundBudget, MaxStateBytes: c.Flownode.MaxState,
		// Most connections are for taking samples in, which must not wait.
		MaxRounds: max(1, c.Database.MaxConnections/4),
		Logger:    log, Metrics: flownode.NewMetrics(reg),
	})
	if err != nil {
		return nil, err
	}
	notifier, hints := store.NewNotifier(), store.NewListener()
	ingester, err := ingest.New(ingestStore{store}, ingest.Config{
		Regions: store.Regions(),
		Limits: ingest.Limits{
			BodyBytes: c.Ingest.MaxBody, DecodedBytes: c.Ingest.MaxDecoded,
			Labels: c.Ingest.MaxLabels, LabelBytes: int(c.Ingest.MaxLabelBytes), Ahead: c.Ingest.MaxAhead,
		},
		BufferBytes: c.Ingest.Buffer, FlushSamples: c.Ingest.FlushSamples, Linger: c.Ingest.Linger,
		StartZeros: c.Ingest.Starts == startsZero, Metadata: store,
		HA: ingest.HA{
			ClusterLabel: c.HA.ClusterLabel, ReplicaLabel: c.HA.ReplicaLabel, Failover: c.HA.FailoverTimeout, Elector: store,
		},
		OnCommit: func(commit ingest.Commit) {
			node.Hint(commit.Region, commit.Seq)
			notifier.Send(commit.Region, commit.Seq)
		},
		Logger: log, Registerer: reg,
	})
	if err != nil {
		return nil, err
	}
	keeper, err := newMaintenance(c, store, log, reg)
	if err != nil {
		return nil, err
	}
	if err := a.applyConfigured(ctx, c, store, log); err != nil {
		return nil, err
	}
	server := newHTTPServer(listener, routes(ingester.Write(), ingester.Import(), reg, c.WebPprof, store.Ping), c.WebConfigFile, log)
	return []part{
		{"private PostgreSQL", h.supervise},
		{"ingest", ingester.Run},
		{"flownode", node.Run},
		{"mirror writes", notifier.Run},
		{"mirror writes of others", func(ctx context.Context) error {
			return hints.Run(ctx, node.Hint, node.Look)
		}},
		{"maintenance", keeper.run},
		{"http", server.run},
	}, nil
}

// applyConfigured writes the flows of the configuration to the catalogue.
// Faulty definitions stop the start; changed ones do not, because samples must
// be taken in whatever becomes of a flow: the old definitions go on.
func (a *app) applyConfigured(ctx context.Context, c *config, store *sqlstore.Store, log *slog.Logger) error {
	if len(c.Flows) == 0 {
		return nil
	}
	flows, err := a.parseDefinitions(c, c.Flows)
	if err != nil {
		return err
	}
	results, err := store.Apply(ctx, flows, sqlstore.ApplyOptions{Retention: c.Raw.Retention.Milliseconds()})
	var changed *sqlstore.ChangedError
	if errors.As(err, &changed) {
		log.Error("definitions are not applied: they have changed", "flows", changed.Flows, "try", "laminar flow apply "+changed.Hint())
		return nil
	}
	if err != nil {
		return err
	}
	for _, r := range results {
		log.Info("flow applied", "flow", r.Flow, "table", r.Table, "action", string(r.Action))
	}
	return nil
}
