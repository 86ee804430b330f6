package settings

import (
	"slices"
	"time"

	"laminar/flownode"
	"laminar/flownode/flowdef"
	"laminar/ingest"
	"laminar/ingest/remotewrite"
	"laminar/ingest/replica"
	"laminar/query"
	"laminar/server"
	"laminar/server/notify"
	"laminar/server/subscribe"
	"laminar/sqlstore"
)

// Config is everything that can be set. Each field but Refills is a row of the
// table in table.go, which says where its value may come from; zero values
// mean what the table says. What a serving process needs of it is its Config;
// Database.URL, Flows, Version and Beside are filled in by the commands.
type Config struct {
	server.Config

	URLFile   string   // holds the database's URL; Database.URL is empty then
	FlowFiles []string // definitions to apply at the start
	Lookback  time.Duration
	RulesEmit flowdef.Emit // of recording rules, whose files cannot say

	Log struct {
		Level  string
		Format string
	}
}

// Default is what holds where nothing is set.
func Default() Config {
	var c Config
	c.DataDir = "data"
	c.Database.Schema = sqlstore.DefaultSchema
	c.Database.ResultSchema = sqlstore.DefaultResultSchema
	c.Database.MaxConnections = sqlstore.DefaultMaxConns
	c.Database.DropGrace = sqlstore.DefaultDropGrace
	c.Database.StartTimeout = 30 * time.Second
	c.Web.Listen = "127.0.0.1:9201"
	c.Web.MaxConnections = 1000
	c.Web.HealthWithoutLogin = true
	c.Web.Console = "/"
	c.Parts = slices.Clone(server.AllParts)
	c.Regions = 2
	c.Upkeep.Retention = 15 * 24 * time.Hour
	c.Upkeep.RetentionGrace = 24 * time.Hour
	c.Lookback = time.Duration(flowdef.DefaultLookback) * time.Millisecond
	c.RulesEmit = flowdef.EmitClose
	c.Ingest.MaxBody = remotewrite.DefaultBodyBytes
	c.Ingest.MaxDecoded = remotewrite.DefaultDecodedBytes
	c.Ingest.MaxLabels = ingest.DefaultLabels
	c.Ingest.MaxLabelBytes = ingest.DefaultLabelBytes
	c.Ingest.MaxAhead = ingest.DefaultAhead
	c.Ingest.MaxRequests = ingest.DefaultMaxRequests
	c.Ingest.FlushSamples = ingest.DefaultFlushSamples
	c.Ingest.Linger = ingest.DefaultLinger
	c.Ingest.Starts = server.StartsIgnored
	c.HA.FailoverTimeout = replica.DefaultFailover
	c.Upkeep.Seal.After = 2 * time.Hour
	c.Upkeep.Seal.MaxWait = 10 * time.Minute
	c.Upkeep.Seal.MaxHot = 8 << 30
	c.Upkeep.Schedule = "@every 5m"
	c.Upkeep.Verify.Sample = 0.01
	c.Flownode.Executor = flowdef.ExecutorAuto
	c.Flownode.RoundBudget = flownode.DefaultRoundBudget
	c.Query.Enabled = true
	c.Query.Timeout = query.DefaultTimeout
	c.Query.Lookback = time.Duration(flowdef.DefaultLookback) * time.Millisecond
	c.Query.FromFlows = query.FlowsAuto
	c.Query.MaxSamples = query.DefaultMaxSamples
	c.Query.MaxConcurrent = query.DefaultMaxConcurrent
	c.Follow.MaxStreams = subscribe.DefaultMaxStreams
	c.Follow.Buffer = subscribe.DefaultBuffer
	c.Follow.WriteTimeout = subscribe.DefaultWriteTimeout
	c.Upkeep.AlertHistory = 90 * 24 * time.Hour
	c.Upkeep.ChangeLog = 24 * time.Hour
	c.Alerting.ResendDelay = notify.DefaultResendDelay
	c.Alerting.MaxAge = notify.DefaultMaxAge
	c.Log.Level = "info"
	c.Log.Format = "text"
	return c
}
