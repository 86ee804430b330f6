package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
	"laminar/query"
	"laminar/sequence/relabeling"
	"laminar/server/upkeep"
	"laminar/server/web"
	"laminar/sqlstore"
)

// Config is what a serving process is to do. The zero value is not usable: every
// field says how much or how long, and Run takes it literally.
type Config struct {
	Version string // for the log

	// DataDir is where the private PostgreSQL lives. It is used when
	// Database.URL is empty.
	DataDir  string
	Database Database

	// MemoryLimit is how much memory the process should take, in bytes. 0 stands
	// for the control group's limit, where there is one.
	MemoryLimit int64

	// Parts is what the process does, of AllParts. What it does not do, other
	// processes on the same database must.
	Parts []string

	Regions  int // of a database that is new
	Web      web.Config
	Ingest   Ingest
	HA       HA
	Flownode Flownode
	Query    Query
	Follow   Follow
	Upkeep   upkeep.Config
	Alerting Alerting

	// Flows are written to the catalogue at the start. A flow whose definition in
	// the catalogue differs stays as it is there.
	Flows flowfile.Definitions

	// FlowsAgain reads them again, all or none; nil where no files are named. A
	// reload is asked for by Hangups, which may be nil, or over HTTP.
	FlowsAgain func() (flowfile.Definitions, error)
	Hangups    <-chan os.Signal

	// Beside, when not nil, runs as one more part. When it returns the process
	// ends.
	Beside func(context.Context, Service) error
}

// The parts that a process may have.
const (
	PartIngest = "ingest" // takes samples in
	PartFlows  = "flows"  // keeps flows up to date
	PartUpkeep = "upkeep" // migrates, applies the configured flows, seals, drops what is too old: what only the owner of the tables may
)

// AllParts is every part. One process that has all of them needs no other.
var AllParts = []string{PartIngest, PartFlows, PartUpkeep}

// Does reports whether the process has the part.
func (c *Config) Does(part string) bool { return slices.Contains(c.Parts, part) }

// CheckParts says what is wrong with the names of the parts.
func (c *Config) CheckParts() error {
	for i, p := range c.Parts {
		if !slices.Contains(AllParts, p) || slices.Contains(c.Parts[:i], p) {
			return fmt.Errorf("parts is %q: want some of %s, each once", strings.Join(c.Parts, ","), strings.Join(AllParts, ", "))
		}
	}
	if len(c.Parts) == 0 {
		return fmt.Errorf("parts is empty: want some of %s", strings.Join(AllParts, ", "))
	}
	return nil
}

// checkOwner says what a process without upkeep cannot be told to do.
func (c *Config) checkOwner() error {
	switch {
	case c.Does(PartUpkeep):
		return nil
	case c.Database.URL == "":
		return errors.New("parts lacks upkeep, and there is no database.url: a private PostgreSQL has no other process that would do it")
	case c.FlowsAgain != nil:
		return errors.New("flows names files of definitions, and parts lacks upkeep: only a process that has it applies them")
	}
	return nil
}

// Service is what is known of a serving process once it is up.
type Service struct {
	Address string // host:port it listens on
	Store   *sqlstore.Store
}

// Database says which database to use and how.
type Database struct {
	URL            string                 // as PostgreSQL's own tools take it; "" for the private one
	URLAgain       func() (string, error) // what URL is now; nil when it cannot change
	Schema         string                 // of Laminar's own tables
	ResultSchema   string
	ReaderRole     string // may read everything; "" for none
	MaxConnections int
	DropGrace      time.Duration // how long a table that is no longer needed is kept
	StartTimeout   time.Duration // how long a database that is out of reach is waited for
}

// Store is how the store is opened under a URL.
func (d Database) Store(url string) sqlstore.Config {
	return sqlstore.Config{
		URL:          url,
		URLAgain:     d.URLAgain,
		Schema:       d.Schema,
		ResultSchema: d.ResultSchema,
		MaxConns:     int32(d.MaxConnections),
		DropGrace:    d.DropGrace,
	}
}

// Ingest says what is taken in; the fields are those of ingest's Config.
type Ingest struct {
	MaxBody       int64
	MaxDecoded    int64
	MaxLabels     int
	MaxLabelBytes int64
	MaxAhead      time.Duration
	MaxAge        time.Duration // 0 stands for what Config.maxAge says
	Buffer        int64         // 0 for a part of the memory limit
	MaxRequests   int
	MaxSeries     int // 0 for no limit, as in the two that follow
	SeriesMetric  int // of one metric
	SeriesMinute  int // that are new in one minute
	FlushSamples  int
	Linger        time.Duration
	Starts        string // StartsIgnored or StartsZero
	Relabel       []relabeling.Rule
}

// defaultMaxAge is how far behind a sample may be where all samples are kept.
const defaultMaxAge = 90 * 24 * time.Hour

// maxAge is how far a sample may be behind the database's clock: as long as samples are
// kept, where that is not said.
func (c *Config) maxAge() time.Duration {
	switch {
	case c.Ingest.MaxAge > 0:
		return c.Ingest.MaxAge
	case c.Upkeep.Retention > 0:
		return c.Upkeep.Retention
	}
	return defaultMaxAge
}

// What is done with start timestamps.
const (
	StartsIgnored = "ignore"
	StartsZero    = "zero_sample"
)

// HA says which labels name a pair of senders of which one is stored; both are
// empty or neither.
type HA struct {
	ClusterLabel    string
	ReplicaLabel    string
	FailoverTimeout time.Duration
}

// Flownode says how flows are computed.
type Flownode struct {
	Executor    flowdef.Executor // of flows that do not name one
	RoundBudget time.Duration
	MaxState    int64 // bytes of pane state of all flows; 0 for a share of the process's
}

// Query says what queries by PromQL may do; the fields are those of query's Config.
type Query struct {
	Enabled       bool
	Timeout       time.Duration
	MaxSamples    int
	MaxConcurrent int
	MaxMemory     int64 // 0 for a part of the memory limit
	Lookback      time.Duration
	FromFlows     query.FlowUse
}

// Follow says what subscriptions may take; the fields are those of subscribe's Config.
type Follow struct {
	MaxStreams   int // 0 for no subscriptions
	Buffer       int64
	WriteTimeout time.Duration
}
