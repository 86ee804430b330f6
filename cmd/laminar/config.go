package main

import (
	"time"

	"laminar/flownode/flowdef"
	"laminar/server"
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
