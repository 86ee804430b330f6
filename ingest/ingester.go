package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"laminar/ingest/budget"
	"laminar/ingest/metadata"
	"laminar/ingest/recent"
	"laminar/ingest/registry"
	"laminar/ingest/replica"
	"laminar/sequence"
)

// The parts of ingest, and what starts and ends them.
// Before Run: requests can begin, and wait.
// While it runs: one goroutine per region writes what its buffer takes in.
// After: every request has its answer, and later ones are refused with ErrClosed.
//
//	request --Intake--> batch per region --buffer--> draft --flusher--> Store
//
// What regions share is either safe for use by several goroutines (registry, budget,
// traffic, clock) or never changes after New. So regions commit side by side, and none
// waits for the commit of another.

// Ingester lands samples in a Store. Protocols bring them, each request by an
// Intake, whose Commit returns when they are durable; so they need Run.
type Ingester struct {
	Recent *recent.Recent // what has come in of late, for people

	cfg      Config
	log      *slog.Logger
	metrics  *metrics
	registry *registry.Registry
	budget   *budget.Budget
	traffic  traffic
	clock    dbClock
	metadata *metadata.Keeper // nil when it is not kept
	flushers []*flusher       // by region - 1
	none     []int            // of every rule of relabelling nothing
	restores atomic.Uint64    // see flusher
	requests atomic.Int64     // under way
}

// New prepares an ingester. It starts nothing and asks nothing of the store; Run does.
// An error is one of the Config, or of a metric whose name is taken.
func New(store Store, cfg Config) (*Ingester, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	g := &Ingester{
		Recent:   recent.New(time.Now()),
		cfg:      cfg,
		log:      cfg.Logger,
		registry: registry.New(cfg.Regions, cfg.Limits),
		budget:   budget.New(cfg.BufferBytes),
	}
	if cfg.Relabel.Len() > 0 {
		g.registry.Relabel, g.none = cfg.Relabel, make([]int, cfg.Relabel.Len())
	}
	if g.metrics, err = newMetrics(cfg.Registerer, g); err != nil {
		return nil, fmt.Errorf("ingest: register metrics: %w", err)
	}
	if cfg.HA.Enabled() {
		if g.registry.Replicas, err = replica.New(cfg.HA, cfg.Registerer); err != nil {
			return nil, fmt.Errorf("ingest: register metrics: %w", err)
		}
		g.registry.ClusterLabel, g.registry.ReplicaLabel = cfg.HA.ClusterLabel, cfg.HA.ReplicaLabel
	}
	if cfg.Metadata != nil {
		g.metadata = metadata.New(cfg.Metadata, g.registry.Seed, cfg.Logger)
	}
	for r := range cfg.Regions {
		region := sequence.Region(r + 1)
		f := &flusher{
			region: region, buf: newBuffer(region, cfg.FlushSamples, g.registry.Revive),
			cfg: &g.cfg, store: store, log: cfg.Logger, metrics: g.metrics, registry: g.registry,
			traffic: &g.traffic, clock: &g.clock, restores: &g.restores,
		}
		f.known = newKnown(f.remembered)
		f.builder.repeated = f.known.repeated
		g.flushers = append(g.flushers, f)
	}
	return g, nil
}

// Run writes what requests bring, one goroutine per region and one for metadata,
// until ctx ends. Then it refuses new requests (ErrClosed), writes what is buffered
// for at most Config.DrainTimeout, and returns nil when every request has its
// answer. It is to be called once.
func (g *Ingester) Run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var group errgroup.Group
	for _, f := range g.flushers {
		group.Go(func() error {
			f.run(ctx, work)
			return nil
		})
	}
	ended := make(chan struct{})
	var watch errgroup.Group
	watch.Go(func() error {
		g.bound(ctx, ended, cancel)
		return nil
	})
	if g.metadata != nil {
		watch.Go(func() error {
			g.metadata.Run(ctx)
			return nil
		})
	}
	err := group.Wait()
	close(ended)
	return errors.Join(err, watch.Wait())
}

// bound closes every buffer when ctx ends, so that no request waits for a
// region that takes nothing any more, and cancels the last flushes when they
// take too long.
func (g *Ingester) bound(ctx context.Context, ended <-chan struct{}, cancel context.CancelFunc) {
	select {
	case <-ctx.Done():
	case <-ended:
		return
	}
	for _, f := range g.flushers {
		f.buf.close()
	}
	timer := time.NewTimer(g.cfg.DrainTimeout)
	defer timer.Stop()
	select {
	case <-timer.C:
		cancel()
	case <-ended:
	}
}

// NewSpellings makes a table for one way to write the labels of series. read
// says what labels a key of it spells; nil says that keys are names and values,
// each with 0xff behind it.
func (g *Ingester) NewSpellings(read registry.ReadLabels) *registry.Spellings {
	return g.registry.NewTable(read)
}

// arrive says that a request has come to the buffers. When no other is coming,
// flushes that linger have waited long enough, whichever regions the request was
// for: the others would wait for requests that do not exist.
func (g *Ingester) arrive() {
	if g.traffic.arrive() {
		for _, f := range g.flushers {
			f.buf.signal()
		}
	}
}
