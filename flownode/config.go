package flownode

// What a node is given, and what its fence groups share of it.
// Before: a Config with all ports; zero settings mean defaults.
// After: a process, which does not change but for its counts.
//
// A fence group takes a process and not the Node: it starts nothing, leads nothing
// and knows no other group. So the Stepper and the tests can drive groups alone.

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"laminar/flownode/alertround"
	"laminar/flownode/allowance"
	"laminar/flownode/executor"
	"laminar/flownode/flowdef"
	"laminar/flownode/late"
	"laminar/flownode/promeval"
	"laminar/flownode/read"
	"laminar/flownode/round"
)

// DefaultRoundBudget is the default that a user sees.
const DefaultRoundBudget = time.Second

// maxLeafBytes is how much pane state one leaf has at most where all have no bound: a single
// sample from far ahead must not make it huge.
const maxLeafBytes = 1 << 30

// Config is what a Node needs. All ports but Alerts are required.
type Config struct {
	Snapshots Snapshotter
	Catalog   Catalog
	Results   Materializer
	Jobs      JobQueue
	Elector   Elector
	Alerts    *alertround.Machine // of alerting rules; nil where there are none

	// WhileLeading, when not nil, runs in each term in which this flownode leads, in
	// a goroutine of its own. It returns soon after its context has ended.
	WhileLeading func(ctx context.Context, term int64)

	Executor      flowdef.Executor // of flows that do not say; default ExecutorAuto
	RoundBudget   time.Duration    // after which work that can wait goes on in the next round; default 1 s
	MaxStateBytes int64            // memory for pane state of all flows; 0 for no bound but 1 GiB for each leaf

	// MaxWindowBytes is about how much memory may be taken by what windows are computed from
	// that is not kept. A flow of which one window takes more stands still. 0 for no bound.
	MaxWindowBytes int64
	MaxRounds      int           // fence groups that make a round at one time, each with a connection; default 4
	PollInterval   time.Duration // how often the catalogue and the regions are looked at without a hint; default 1 s

	// Now is this process's clock: rounds, budgets and retries go by it.
	// Windows go by the database's clock. Default time.Now.
	Now func() time.Time

	Logger  *slog.Logger
	Metrics *Metrics // default: not registered anywhere
}

// setDefaults puts the defaults where the settings are zero. An error says that a port
// is missing or that there is no such executor; then the Config is of no use.
func (c *Config) setDefaults() error {
	if c.Snapshots == nil || c.Catalog == nil || c.Results == nil || c.Jobs == nil || c.Elector == nil {
		return fmt.Errorf("flownode: every port must be given")
	}
	if c.Executor == "" {
		c.Executor = flowdef.ExecutorAuto
	}
	if !c.Executor.Known() {
		return fmt.Errorf("flownode: executor %q: want one of %q", c.Executor, flowdef.Executors())
	}
	if c.RoundBudget == 0 {
		c.RoundBudget = DefaultRoundBudget
	}
	if c.MaxRounds == 0 {
		c.MaxRounds = 4
	}
	if c.PollInterval == 0 {
		c.PollInterval = time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics(nil)
	}
	return nil
}

// process is what the fence groups of a process share, so that a group need not know
// the node. It may be used by several goroutines at once.
type process struct {
	cfg     Config
	log     *slog.Logger
	metrics *Metrics
	reading read.Settings
	machine round.Machine
	rounds  chan struct{} // holds one token for each round under way; cap is Config.MaxRounds
	flows   atomic.Int64  // of all groups, as of the last poll

	standing  *standing
	memory    *memory
	allowance *allowance.Allowance // of pane state; nil for no bound
}

// newProcess checks the Config and makes what the groups share. It asks nothing of the
// ports and starts nothing. The Meter in it is shared on purpose: all groups reach the
// same database over the same network, and each learns from the reads of all.
func newProcess(cfg Config) (*process, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	allowed, leaf := allowance.New(cfg.MaxStateBytes), int64(maxLeafBytes)
	if cfg.MaxStateBytes > 0 {
		leaf = cfg.MaxStateBytes
	}
	return &process{
		cfg: cfg, log: cfg.Logger, metrics: cfg.Metrics,
		reading: read.Settings{
			Chooser: executor.Chooser{Setting: cfg.Executor, Meter: executor.NewMeter(cfg.Now, cfg.Metrics.roundTrip, cfg.Metrics.perByte), Now: cfg.Now},
			AtOnce:  read.DefaultAtOnce, Lanes: min(runtime.GOMAXPROCS(0), read.MaxLanes), Log: cfg.Logger, MostBytes: cfg.MaxWindowBytes,
		},
		machine: round.Machine{Eval: promeval.New(), MaxStateBytes: leaf, Allowance: allowed, Now: cfg.Now, Log: cfg.Logger, LateBounds: late.DefaultBounds},
		rounds:  make(chan struct{}, cfg.MaxRounds), standing: newStanding(), memory: newMemory(), allowance: allowed,
	}, nil
}
