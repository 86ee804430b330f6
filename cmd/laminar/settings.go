package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// scope says which commands have a flag for a setting.
type scope int

const (
	everywhere scope = iota // every command: where the database is
	serving                 // serve and demo
)

// setting is one row of the table of all settings. Its key is its path in the
// YAML file; the name in the environment and the flag follow from it.
type setting struct {
	key   string
	scope scope
	least int64  // the smallest value of a number; for a duration in nanoseconds
	unit  string // for people; "" where the value is no number
	help  string
	bind  func(*config) value
}

// settings is every setting but `refills`, a list that stands in the file only.
// docs/settings.md holds the same table; a test compares.
var settings = []setting{
	{key: "data_dir", help: "directory of the private PostgreSQL; used when no database URL is given",
		bind: func(c *config) value { return (*textValue)(&c.DataDir) }},
	{key: "database.url", help: "database to use instead of a private one, as a URL or key=value words",
		bind: func(c *config) value { return (*textValue)(&c.Database.URL) }},
	{key: "database.url_file", help: "file that holds the database URL",
		bind: func(c *config) value { return (*textValue)(&c.URLFile) }},
	{key: "database.schema", help: "schema of Laminar's own tables",
		bind: func(c *config) value { return (*textValue)(&c.Database.Schema) }},
	{key: "database.result_schema", help: "schema of the result tables",
		bind: func(c *config) value { return (*textValue)(&c.Database.ResultSchema) }},
	{key: "database.max_connections", least: 4, unit: "connections", help: "connections of one process at most",
		bind: func(c *config) value { return (*intValue)(&c.Database.MaxConnections) }},
	{key: "database.drop_grace", scope: serving, unit: "duration", help: "how long a table that is no longer needed is kept before it is dropped",
		bind: func(c *config) value { return (*durationValue)(&c.Database.DropGrace) }},
	{key: "database.start_timeout", scope: serving, unit: "duration", help: "how long to wait for the database at start",
		bind: func(c *config) value { return (*durationValue)(&c.Database.StartTimeout) }},

	{key: "listen", scope: serving, help: "address to listen on for samples and metrics",
		bind: func(c *config) value { return (*textValue)(&c.Web.Listen) }},
	{key: "web.config_file", scope: serving, help: "file with TLS and users, in the form of Prometheus's exporters",
		bind: func(c *config) value { return (*textValue)(&c.Web.File) }},
	{key: "web.pprof", scope: serving, help: "serve Go profiles under /debug/pprof, those of locks included",
		bind: func(c *config) value { return (*boolValue)(&c.Web.Pprof) }},
	{key: "allow_unauthenticated", scope: serving, help: "listen on other than loopback addresses without authentication",
		bind: func(c *config) value { return (*boolValue)(&c.Web.AllowUnauthenticated) }},

	{key: "flows", scope: serving, help: "files, directories or patterns of flow definitions to apply at start",
		bind: func(c *config) value { return (*listValue)(&c.FlowFiles) }},

	{key: "raw.regions", scope: serving, least: 1, unit: "regions", help: "shards of the raw data; fixed when the database is first used",
		bind: func(c *config) value { return (*intValue)(&c.Regions) }},
	{key: "raw.retention", scope: everywhere, unit: "duration", help: "how long raw samples are kept; 0 is for ever",
		bind: func(c *config) value { return (*durationValue)(&c.Upkeep.Retention) }},
	{key: "raw.lookback", scope: everywhere, unit: "duration", help: "how far back instant selectors look for a sample, in flows that do not say",
		bind: func(c *config) value { return (*durationValue)(&c.Lookback) }},

	{key: "ingest.max_body", scope: serving, least: 1, unit: "bytes", help: "size of a request as sent at most",
		bind: func(c *config) value { return (*bytesValue)(&c.Ingest.MaxBody) }},
	{key: "ingest.max_decoded", scope: serving, least: 1, unit: "bytes", help: "size of a request decompressed at most",
		bind: func(c *config) value { return (*bytesValue)(&c.Ingest.MaxDecoded) }},
	{key: "ingest.max_labels", scope: serving, least: 1, unit: "labels", help: "labels of a series at most, its name included",
		bind: func(c *config) value { return (*intValue)(&c.Ingest.MaxLabels) }},
	{key: "ingest.max_label_bytes", scope: serving, least: 1, unit: "bytes", help: "names and values of a series' labels together at most",
		bind: func(c *config) value { return (*bytesValue)(&c.Ingest.MaxLabelBytes) }},
	{key: "ingest.max_ahead", scope: serving, unit: "duration", help: "how far a sample may be ahead of the database's clock",
		bind: func(c *config) value { return (*durationValue)(&c.Ingest.MaxAhead) }},
	{key: "ingest.buffer", scope: serving, least: 1 << 20, unit: "bytes", help: "memory of requests that wait for their commit at most; beyond it senders are told to come back",
		bind: func(c *config) value { return (*bytesValue)(&c.Ingest.Buffer) }},
	{key: "ingest.flush_samples", scope: serving, least: 1, unit: "samples", help: "samples after which one commit is full",
		bind: func(c *config) value { return (*intValue)(&c.Ingest.FlushSamples) }},
	{key: "ingest.linger", scope: serving, unit: "duration", help: "how long a commit waits at most for requests that are likely to join it",
		bind: func(c *config) value { return (*durationValue)(&c.Ingest.Linger) }},
	{key: "ingest.start_timestamps", scope: serving, help: "start timestamps of remote write 2.0: ignore, or zero_sample to put a 0 there when it is newer than all other samples of its series",
		bind: func(c *config) value { return (*textValue)(&c.Ingest.Starts) }},

	{key: "ha.cluster_label", scope: serving, help: "label that says which pair of senders a series comes from; with ha.replica_label, samples of one replica of each pair are stored",
		bind: func(c *config) value { return (*textValue)(&c.HA.ClusterLabel) }},
	{key: "ha.replica_label", scope: serving, help: "label that says which of the pair it is; it is not stored",
		bind: func(c *config) value { return (*textValue)(&c.HA.ReplicaLabel) }},
	{key: "ha.failover_timeout", scope: serving, least: 1e9, unit: "duration", help: "silence of a replica after which the other one is listened to",
		bind: func(c *config) value { return (*durationValue)(&c.HA.FailoverTimeout) }},

	{key: "seal.after", scope: serving, least: 1e9, unit: "duration", help: "age at which a generation of hot segments is sealed",
		bind: func(c *config) value { return (*durationValue)(&c.Upkeep.Seal.After) }},
	{key: "seal.max_wait", scope: serving, unit: "duration", help: "how long sealing waits for flows that have not read a generation",
		bind: func(c *config) value { return (*durationValue)(&c.Upkeep.Seal.MaxWait) }},
	{key: "seal.max_hot", scope: serving, least: 1 << 20, unit: "bytes", help: "size of the hot segments at which sealing no longer waits",
		bind: func(c *config) value { return (*bytesValue)(&c.Upkeep.Seal.MaxHot) }},

	{key: "maintenance.schedule", scope: serving, help: "when sealing, retention and clearing away are looked after (cron, or @every 5m)",
		bind: func(c *config) value { return (*textValue)(&c.Upkeep.Schedule) }},

	{key: "verify.schedule", scope: serving, help: "when result tables are compared with the raw samples (cron, or @every 1h); empty is never",
		bind: func(c *config) value { return (*textValue)(&c.Upkeep.Verify.Schedule) }},
	{key: "verify.sample", scope: serving, help: "part of the windows that each of these comparisons takes",
		bind: func(c *config) value { return (*partValue)(&c.Upkeep.Verify.Sample) }},

	{key: "flownode.executor", scope: serving, help: "how partials are computed in flows that do not say: columnar here, pushdown to the database, or auto, whichever is expected to be cheaper",
		bind: func(c *config) value { return (*textValue)(&c.Flownode.Executor) }},
	{key: "flownode.round_budget", scope: serving, least: 1e6, unit: "duration", help: "time after which a round leaves what can wait to the next",
		bind: func(c *config) value { return (*durationValue)(&c.Flownode.RoundBudget) }},
	{key: "flownode.max_state", scope: serving, least: 1 << 20, unit: "bytes", help: "pane state of one leaf in memory at most",
		bind: func(c *config) value { return (*bytesValue)(&c.Flownode.MaxState) }},

	{key: "log.level", help: "debug, info, warn or error",
		bind: func(c *config) value { return (*textValue)(&c.Log.Level) }},
	{key: "log.format", help: "text or json",
		bind: func(c *config) value { return (*textValue)(&c.Log.Format) }},
}

// env is the setting's name in the environment.
func (s setting) env() string {
	return "LAMINAR_" + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

// flag is the setting's flag, without the dashes.
func (s setting) flag() string {
	if s.key == "web.config_file" {
		return "web.config.file" // as all of Prometheus's own programs spell it
	}
	return strings.NewReplacer(".", "-", "_", "-").Replace(s.key)
}

// defaultText is the default as it would be typed, "" for none.
func (s setting) defaultText() string {
	c := defaultConfig()
	return s.bind(&c).String()
}

// flagText is a setting as it was typed; it is read when file and environment
// are known, so that each source is read the same way.
type flagText struct {
	kind    string
	initial string
	text    []string
}

func (f *flagText) String() string { return f.initial }
func (f *flagText) Type() string   { return f.kind }

// Set keeps the text for later.
func (f *flagText) Set(text string) error {
	f.text = append(f.text, text)
	return nil
}

// typed is what was typed for a setting as a flag of the command, nil when
// nothing was or the command has no such flag.
func (s setting) typed(cmd *cobra.Command) *flagText {
	flag := cmd.Flag(s.flag())
	if flag == nil {
		return nil
	}
	if text, ok := flag.Value.(*flagText); ok && len(text.text) > 0 {
		return text
	}
	return nil
}

// addSettingFlags adds the flags of a scope's settings.
func addSettingFlags(flags *pflag.FlagSet, of scope) {
	c := defaultConfig()
	for _, s := range settings {
		if s.scope != of {
			continue
		}
		v := s.bind(&c)
		flag := flags.VarPF(&flagText{kind: v.Type(), initial: v.String()}, s.flag(), "", s.help)
		if v.Type() == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
}
