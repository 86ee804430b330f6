package query

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/promexpr"
	"laminar/flownode/promfunc"
	"laminar/query/labelindex"
	"laminar/query/rows"
)

// Config says what queries may do. All fields must be set.
type Config struct {
	Timeout       time.Duration // of one query, waiting included
	MaxSamples    int           // that one query may read, and hold
	MaxConcurrent int           // queries under way
	MaxMemory     int64         // bytes of samples that all queries hold
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

	engine      *promql.Engine
	lookback    time.Duration
	fromFlows   FlowUse
	store       Store
	labels      *labelindex.Index
	rows        *rows.Kept
	expressions *expressions
	limits      *limits
}

// bareStep is the step of subqueries that state none, ms.
const bareStep = int64(time.Minute / time.Millisecond)

// New makes the engine; nothing is read yet.
func New(cfg Config) *Queries {
	q := &Queries{
		// What a stock Prometheus parses: experimental functions are not for dashboards.
		Parser: promexpr.Bounded(parser.NewParser(parser.Options{})),
		store:  cfg.Store, lookback: cfg.Lookback, fromFlows: cfg.FromFlows, expressions: newExpressions(),
		labels: labelindex.New(cfg.MaxMemory / labelShare), rows: rows.New(cfg.MaxMemory / rowShare),
		limits: &limits{
			timeout: cfg.Timeout, samples: int64(cfg.MaxSamples), memory: cfg.MaxMemory,
			running: make(chan struct{}, cfg.MaxConcurrent), metrics: newMetrics(cfg.Registerer),
		},
	}
	q.engine = promql.NewEngine(promql.EngineOpts{
		Logger: cfg.Log, MaxSamples: cfg.MaxSamples, Timeout: cfg.Timeout, LookbackDelta: cfg.Lookback,
		EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return bareStep },
		Parser:                   promfunc.Parser(q.Parser),
	})
	gauge(cfg.Registerer, "running", "Queries under way.", func() int64 { return int64(len(q.limits.running)) })
	gauge(cfg.Registerer, "waiting", "Queries that wait until fewer are under way.", q.limits.waiting.Load)
	gauge(cfg.Registerer, "held_bytes", "Memory of the samples that queries hold, in bytes.", q.limits.held.Load)
	gauge(cfg.Registerer, "label_bytes", "Memory of the label sets that are kept for queries, in bytes.", q.labels.Used)
	gauge(cfg.Registerer, "row_bytes", "Memory of rows of flows that are kept for queries, in bytes.", q.rows.Used)
	return q
}

// Timeout is how long a request may take.
func (q *Queries) Timeout() time.Duration { return q.limits.timeout }

// Session begins a query. Before it reads it waits until it may be under way; it must be
// closed.
func (q *Queries) Session() *Session {
	return &Session{
		engine: q.engine, parser: q.Parser, lookback: q.lookback, expressions: q.expressions, fromFlows: q.fromFlows,
		reading: reading{meter: meter{limits: q.limits}, store: q.store, labels: q.labels, rows: q.rows, pending: -1},
	}
}
