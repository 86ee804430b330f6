package main

import (
	"fmt"
	"net"
	"time"

	"github.com/robfig/cron/v3"

	"laminar/flownode"
	"laminar/flownode/flowdef"
	"laminar/server/view"
	"laminar/sqlstore"
)

// config is everything that can be set. Each field but Refills is a row of the
// table in settings.go, which says where its value may come from; zero values
// mean what the table says.
type config struct {
	DataDir string

	Database struct {
		URL            string
		URLFile        string
		Schema         string
		ResultSchema   string
		MaxConnections int
		DropGrace      time.Duration
		StartTimeout   time.Duration
	}

	Listen               string
	WebConfigFile        string
	WebPprof             bool
	AllowUnauthenticated bool

	Flows []string

	Raw struct {
		Regions   int
		Retention time.Duration
		Lookback  time.Duration
	}

	Ingest struct {
		MaxBody       int64
		MaxDecoded    int64
		MaxLabels     int
		MaxLabelBytes int64
		MaxAhead      time.Duration
		Buffer        int64
		FlushSamples  int
		Linger        time.Duration
		Starts        string // startsIgnored or startsZero
	}

	HA struct {
		ClusterLabel    string
		ReplicaLabel    string
		FailoverTimeout time.Duration
	}

	Seal struct {
		After   time.Duration
		MaxWait time.Duration
		MaxHot  int64
	}

	Maintenance string

	Verify struct {
		Schedule string // "" is never
		Sample   string
	}

	Flownode struct {
		Executor    string
		RoundBudget time.Duration
		MaxState    int64
	}

	Log struct {
		Level  string
		Format string
	}

	Refills []refillPlan // only in the file
}

// What is done with start timestamps.
const (
	startsIgnored = "ignore"
	startsZero    = "zero_sample"
)

// refillPlan is a refill that is asked for again and again.
type refillPlan struct {
	Flow     string
	Schedule string // cron, five fields, or @every 1h
	From     string // as --from, relative to when it runs
	To       string // as --to; empty means now
}

// defaultConfig is what holds where nothing is set.
func defaultConfig() config {
	var c config
	c.DataDir = "data"
	c.Database.Schema = sqlstore.DefaultSchema
	c.Database.ResultSchema = sqlstore.DefaultResultSchema
	c.Database.MaxConnections = sqlstore.DefaultMaxConns
	c.Database.DropGrace = sqlstore.DefaultDropGrace
	c.Database.StartTimeout = 30 * time.Second
	c.Listen = "127.0.0.1:9201"
	c.Raw.Regions = 2
	c.Raw.Retention = 15 * 24 * time.Hour
	c.Raw.Lookback = time.Duration(flowdef.DefaultLookback) * time.Millisecond
	c.Ingest.MaxBody = 32 << 20
	c.Ingest.MaxDecoded = 32 << 20
	c.Ingest.MaxLabels = 64
	c.Ingest.MaxLabelBytes = 2000
	c.Ingest.MaxAhead = 10 * time.Minute
	c.Ingest.Buffer = 128 << 20
	c.Ingest.FlushSamples = 200_000
	c.Ingest.Linger = 5 * time.Millisecond
	c.Ingest.Starts = startsIgnored
	c.HA.FailoverTimeout = 30 * time.Second
	c.Seal.After = 2 * time.Hour
	c.Seal.MaxWait = 10 * time.Minute
	c.Seal.MaxHot = 8 << 30
	c.Maintenance = "@every 5m"
	c.Verify.Sample = "1%"
	c.Flownode.Executor = string(flownode.ExecutorAuto)
	c.Flownode.RoundBudget = time.Second
	c.Flownode.MaxState = 1 << 30
	c.Log.Level = "info"
	c.Log.Format = "text"
	return c
}

// Validate says which field cannot be meant. It looks at what is set, not at
// the world: whether files and databases are there is found when they are used.
func (c *config) Validate() error {
	switch {
	case c.DataDir == "" && c.Database.URL == "" && c.Database.URLFile == "":
		return usagef("data_dir and database.url are both empty: one says where the database is")
	case c.Database.URL != "" && c.Database.URLFile != "":
		return usagef("database.url and database.url_file are both set: one is enough")
	case c.Raw.Regions < 1 || c.Raw.Regions > 1024:
		return usagef("raw.regions is %d: want 1 to 1024", c.Raw.Regions)
	case c.Raw.Retention != 0 && c.Raw.Retention < time.Hour:
		return usagef("raw.retention is %s: want an hour at least, or 0 to keep samples for ever", view.FormatDuration(c.Raw.Retention))
	case c.Raw.Lookback < time.Millisecond:
		return usagef("raw.lookback is %s: want a millisecond at least", view.FormatDuration(c.Raw.Lookback))
	case c.Ingest.Starts != startsIgnored && c.Ingest.Starts != startsZero:
		return usagef("ingest.start_timestamps is %q: want %s or %s", c.Ingest.Starts, startsIgnored, startsZero)
	case (c.HA.ClusterLabel == "") != (c.HA.ReplicaLabel == ""):
		return usagef("ha.cluster_label is %q and ha.replica_label is %q: set both or neither", c.HA.ClusterLabel, c.HA.ReplicaLabel)
	case c.HA.ClusterLabel != "" && c.HA.ClusterLabel == c.HA.ReplicaLabel:
		return usagef("ha.cluster_label and ha.replica_label are both %q: want two labels", c.HA.ClusterLabel)
	case !flownode.Executor(c.Flownode.Executor).Known():
		return usagef("flownode.executor is %q: want %s, %s or %s", c.Flownode.Executor, flownode.ExecutorAuto, flownode.ExecutorColumnar, flownode.ExecutorPushdown)
	case c.Log.Format != "text" && c.Log.Format != "json":
		return usagef("log.format is %q: want text or json", c.Log.Format)
	}
	if _, err := logLevel(c.Log.Level); err != nil {
		return err
	}
	for _, s := range settings {
		if err := atLeast(s.key, s.bind(c), s.least); err != nil {
			return err
		}
	}
	if _, err := cron.ParseStandard(c.Maintenance); err != nil {
		return usagef("maintenance.schedule is %q: %v", c.Maintenance, err)
	}
	if _, err := cron.ParseStandard(c.Verify.Schedule); c.Verify.Schedule != "" && err != nil {
		return usagef("verify.schedule is %q: %v", c.Verify.Schedule, err)
	}
	if _, err := parsePart(c.Verify.Sample); err != nil {
		return usagef("verify.sample: %v", err)
	}
	for i, r := range c.Refills {
		if err := r.validate(); err != nil {
			return usagef("refills[%d].%v", i, err)
		}
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return usagef("listen is %q: want host:port", c.Listen)
	}
	return nil
}

func (r refillPlan) validate() error {
	if r.Flow == "" {
		return fmt.Errorf("flow is empty")
	}
	if _, err := cron.ParseStandard(r.Schedule); err != nil {
		return fmt.Errorf("schedule is %q: %w", r.Schedule, err)
	}
	now := time.Now()
	from, err := parseTime(r.From, now)
	if err != nil {
		return fmt.Errorf("from: %w", err)
	}
	to, err := r.until(now)
	if err != nil {
		return fmt.Errorf("to: %w", err)
	}
	if !from.Before(to) {
		return fmt.Errorf("from is %q and to %q: want from before to", r.From, r.To)
	}
	return nil
}

func (r refillPlan) until(now time.Time) (time.Time, error) {
	if r.To == "" {
		return now, nil
	}
	return parseTime(r.To, now)
}
