package main

import (
	"net"
	"time"

	"laminar/flownode/flowdef"
	"laminar/server"
	"laminar/server/upkeep"
	"laminar/server/view"
	"laminar/sqlstore"
)

// config is everything that can be set. Each field but Refills is a row of the
// table in settings.go, which says where its value may come from; zero values
// mean what the table says. What a serving process needs of it is its Config;
// Database.URL, Flows, Version and Beside are filled in by the commands.
type config struct {
	server.Config

	URLFile   string   // holds the database's URL; Database.URL is empty then
	FlowFiles []string // definitions to apply at the start
	Lookback  time.Duration

	Log struct {
		Level  string
		Format string
	}
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
	c.Web.Listen = "127.0.0.1:9201"
	c.Regions = 2
	c.Upkeep.Retention = 15 * 24 * time.Hour
	c.Lookback = time.Duration(flowdef.DefaultLookback) * time.Millisecond
	c.Ingest.MaxBody = 32 << 20
	c.Ingest.MaxDecoded = 32 << 20
	c.Ingest.MaxLabels = 64
	c.Ingest.MaxLabelBytes = 2000
	c.Ingest.MaxAhead = 10 * time.Minute
	c.Ingest.Buffer = 128 << 20
	c.Ingest.FlushSamples = 200_000
	c.Ingest.Linger = 5 * time.Millisecond
	c.Ingest.Starts = server.StartsIgnored
	c.HA.FailoverTimeout = 30 * time.Second
	c.Upkeep.Seal.After = 2 * time.Hour
	c.Upkeep.Seal.MaxWait = 10 * time.Minute
	c.Upkeep.Seal.MaxHot = 8 << 30
	c.Upkeep.Schedule = "@every 5m"
	c.Upkeep.Verify.Sample = 0.01
	c.Flownode.Executor = flowdef.ExecutorAuto
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
	case c.DataDir == "" && c.Database.URL == "" && c.URLFile == "":
		return usagef("data_dir and database.url are both empty: one says where the database is")
	case c.Database.URL != "" && c.URLFile != "":
		return usagef("database.url and database.url_file are both set: one is enough")
	case c.Regions < 1 || c.Regions > 1024:
		return usagef("raw.regions is %d: want 1 to 1024", c.Regions)
	case c.Upkeep.Retention != 0 && c.Upkeep.Retention < time.Hour:
		return usagef("raw.retention is %s: want an hour at least, or 0 to keep samples for ever", view.FormatDuration(c.Upkeep.Retention))
	case c.Lookback < time.Millisecond:
		return usagef("raw.lookback is %s: want a millisecond at least", view.FormatDuration(c.Lookback))
	case c.Ingest.Starts != server.StartsIgnored && c.Ingest.Starts != server.StartsZero:
		return usagef("ingest.start_timestamps is %q: want %s or %s", c.Ingest.Starts, server.StartsIgnored, server.StartsZero)
	case (c.HA.ClusterLabel == "") != (c.HA.ReplicaLabel == ""):
		return usagef("ha.cluster_label is %q and ha.replica_label is %q: set both or neither", c.HA.ClusterLabel, c.HA.ReplicaLabel)
	case c.HA.ClusterLabel != "" && c.HA.ClusterLabel == c.HA.ReplicaLabel:
		return usagef("ha.cluster_label and ha.replica_label are both %q: want two labels", c.HA.ClusterLabel)
	case !c.Flownode.Executor.Known():
		return usagef("flownode.executor is %q: want %s, %s or %s", c.Flownode.Executor, flowdef.ExecutorAuto, flowdef.ExecutorColumnar, flowdef.ExecutorPushdown)
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
	if _, err := upkeep.ParseSchedule(c.Upkeep.Schedule); err != nil {
		return usagef("maintenance.schedule is %q: %v", c.Upkeep.Schedule, err)
	}
	if _, err := upkeep.ParseSchedule(c.Upkeep.Verify.Schedule); c.Upkeep.Verify.Schedule != "" && err != nil {
		return usagef("verify.schedule is %q: %v", c.Upkeep.Verify.Schedule, err)
	}
	for i, r := range c.Upkeep.Refills {
		if err := r.Validate(time.Now()); err != nil {
			return usagef("refills[%d].%v", i, err)
		}
	}
	if _, _, err := net.SplitHostPort(c.Web.Listen); err != nil {
		return usagef("listen is %q: want host:port", c.Web.Listen)
	}
	return nil
}
