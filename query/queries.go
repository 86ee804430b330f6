package query

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/promexpr"
	"laminar/flownode/promfunc"
	"laminar/query/labelindex"
	"laminar/query/pressure"
	"laminar/query/room"
	"laminar/query/rows"
)

// Config says what queries may do. All fields must be set
// but LightSamples and MemoryLimit.
type Config struct {
	Timeout       time.Duration // of one query, waiting included
	MaxSamples    int           // that one query may read, and hold while it is computed
	LightSamples  int           // that each may hold while it is computed beside others; 0 for as many
	MaxConcurrent int           // queries under way
	MaxMemory     int64         // bytes of samples that all queries have read
	MemoryLimit   int64         // bytes of the process; queries are ended where it has more; 0 for none
	Lookback      time.Duration // how far instant selectors look back
	FromFlows     FlowUse       // where sessions do not say
	Store         Store
	Log           *slog.Logger
	Registerer    prometheus.Registerer
}

// FlowUse says whether parts of queries that are expressions of flows are answered from the
// flows' results.
type FlowUse string

// The values of FlowUse.
const (
	FlowsAuto FlowUse = "auto" // where the results are what the expression gives
	FlowsOff  FlowUse = "off"
)

// Known reports whether it is one of the values.
func (u FlowUse) Known() bool { return u == FlowsAuto || u == FlowsOff }

// Defaults that a user sees.
const (
	DefaultTimeout       = 2 * time.Minute
	DefaultMaxSamples    = 50_000_000
	DefaultMaxConcurrent = 8
	DefaultMaxMemory     = int64(512 << 20)
)

// Which parts of the memory of samples may be taken in addition by label sets, and by rows of
// flows that are kept.
const (
	labelShare = 2
	rowShare   = 16
)

// Queries answers queries. All methods may be called at the same time.
type Queries struct {
	Parser parser.Parser // refuses what takes too much to parse

	engines     engines
	valve       *pressure.Valve
	lookback    time.Duration
	fromFlows   FlowUse
	store       Store
	labels      *labelindex.Index
	rows        *rows.Kept
	expressions *expressions
	limits      *limits
}

// New makes the engine; nothing is read yet.
func New(cfg Config) *Queries {
	q := &Queries{
		// What a stock Prometheus parses: experimental functions are not for dashboards.
		Parser: promexpr.Bounded(parser.NewParser(parser.Options{})),
		store:  cfg.Store, lookback: cfg.Lookback, fromFlows: cfg.FromFlows, expressions: newExpressions(),
		valve:  pressure.New(cfg.MemoryLimit),
		labels: labelindex.New(cfg.MaxMemory / labelShare), rows: rows.New(cfg.MaxMemory / rowShare),
		limits: &limits{
			timeout: cfg.Timeout, samples: int64(cfg.MaxSamples), light: int64(cfg.LightSamples), memory: cfg.MaxMemory,
			running: make(chan struct{}, cfg.MaxConcurrent), turn: make(chan struct{}, 1), metrics: newMetrics(cfg.Registerer),
		},
	}
	q.engines.large = q.newEngine(cfg, cfg.MaxSamples)
	q.engines.light = q.engines.large
	if cfg.LightSamples > 0 {
		q.engines.light = q.newEngine(cfg, cfg.LightSamples)
	}
	gauge(cfg.Registerer, "running", "Queries under way.", func() int64 { return int64(len(q.limits.running)) })
	gauge(cfg.Registerer, "waiting", "Queries that wait until fewer are under way.", q.limits.waiting.Load)
	gauge(cfg.Registerer, "held_bytes", "Memory of the samples that queries hold, in bytes.", q.limits.held.Load)
	gauge(cfg.Registerer, "label_bytes", "Memory of the label sets that are kept for queries, in bytes.", q.labels.Used)
	gauge(cfg.Registerer, "row_bytes", "Memory of rows of flows that are kept for queries, in bytes.", q.rows.Used)
	gauge(cfg.Registerer, "holding_turn", "Queries that hold more samples than others may beside them: 0 or 1.", func() int64 { return int64(len(q.limits.turn)) })
	counter(cfg.Registerer, "ended_total", "Queries and look-ups that were ended because the process had more memory than memory.limit.", q.valve.Ended)
	return q
}

// newEngine makes an engine whose queries hold so many samples.
func (q *Queries) newEngine(cfg Config, samples int) *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		Logger: cfg.Log, MaxSamples: samples, Timeout: cfg.Timeout, LookbackDelta: cfg.Lookback,
		EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return room.BareStep },
		Parser:                   promfunc.Parser(q.Parser),
	})
}

// Run holds the memory of the process within its limit while queries are under way, until
// its context ends.
func (q *Queries) Run(ctx context.Context) error { return q.valve.Run(ctx) }

// Timeout is how long a request may take.
func (q *Queries) Timeout() time.Duration { return q.limits.timeout }

// Session begins a query. Before it reads it waits until it may be under way; it must be
// closed.
func (q *Queries) Session() *Session {
	return &Session{
		engines: q.engines, valve: q.valve, parser: q.Parser, lookback: q.lookback, expressions: q.expressions, fromFlows: q.fromFlows,
		reading: reading{meter: meter{limits: q.limits}, store: q.store, labels: q.labels, rows: q.rows, pending: -1},
	}
}
