package settings

import (
	"strings"

	"github.com/spf13/pflag"
)

// Scope says which commands have a flag for a setting.
type Scope int

// The scopes of settings.
const (
	Everywhere Scope = iota // every command: where the database is
	Serving                 // serve and demo
)

// setting is one row of the table of all settings. Its key is its path in the
// YAML file; the name in the environment and the flag follow from it.
type setting struct {
	key   string
	scope Scope
	least int64  // the smallest value of a number; for a duration in nanoseconds
	unit  string // for people; "" where the value is no number
	help  string
	bind  func(*Config) value
}

// table is every setting but `refills` and `ingest.relabel`, lists that stand in the file
// only.
// docs/settings.md holds the same table; a test compares.
var table = []setting{
	{key: "data_dir", help: "directory of the private PostgreSQL, used when no database URL is given",
		bind: func(c *Config) value { return (*textValue)(&c.DataDir) }},
	{key: "database.url", help: "database to use instead of a private one, as a URL or in key=value form",
		bind: func(c *Config) value { return (*textValue)(&c.Database.URL) }},
	{key: "database.url_file", help: "file that contains the database URL",
		bind: func(c *Config) value { return (*textValue)(&c.URLFile) }},
	{key: "database.schema", help: "schema of Laminar's own tables",
		bind: func(c *Config) value { return (*textValue)(&c.Database.Schema) }},
	{key: "database.result_schema", help: "schema of the result tables",
		bind: func(c *Config) value { return (*textValue)(&c.Database.ResultSchema) }},
	{key: "database.reader_role", help: "role that may read results and raw samples, such as that of dashboards; granted when serve starts",
		bind: func(c *Config) value { return (*textValue)(&c.Database.ReaderRole) }},
	{key: "database.max_connections", least: 4, unit: "connections", help: "maximum number of connections of one process",
		bind: func(c *Config) value { return (*intValue)(&c.Database.MaxConnections) }},
	{key: "database.drop_grace", scope: Serving, unit: "duration", help: "how long a table is kept after it is no longer needed",
		bind: func(c *Config) value { return (*durationValue)(&c.Database.DropGrace) }},
	{key: "database.start_timeout", scope: Serving, unit: "duration", help: "how long to wait for the database at startup",
		bind: func(c *Config) value { return (*durationValue)(&c.Database.StartTimeout) }},

	{key: "listen", scope: Serving, help: "address that receives samples, answers queries and serves the console and metrics",
		bind: func(c *Config) value { return (*textValue)(&c.Web.Listen) }},
	{key: "web.config_file", scope: Serving, help: "file with TLS settings and users, in the format of Prometheus's exporters",
		bind: func(c *Config) value { return (*textValue)(&c.Web.File) }},
	{key: "web.max_connections", scope: Serving, least: 1, unit: "connections", help: "maximum number of HTTP connections served at a time; further ones take the places of idle ones, of the address with the most first, or wait",
		bind: func(c *Config) value { return (*intValue)(&c.Web.MaxConnections) }},
	{key: "web.hosts", scope: Serving, help: "names by which this process may be asked although no one has to log in, beside addresses, localhost and, unless it listens on loopback, names that only private networks have; * for all",
		bind: func(c *Config) value { return (*listValue)(&c.Web.Hosts) }},
	{key: "web.tokens_file", scope: Serving, help: "file with bearer tokens and their scopes, read again when it changes; with it nobody gets in without a login",
		bind: func(c *Config) value { return (*textValue)(&c.Web.TokensFile) }},
	{key: "web.health_without_login", scope: Serving, help: "answer /-/healthy and /-/ready without a login",
		bind: func(c *Config) value { return (*boolValue)(&c.Web.HealthWithoutLogin) }},
	{key: "web.pprof", scope: Serving, help: "serve Go profiles under /debug/pprof, including lock contention",
		bind: func(c *Config) value { return (*boolValue)(&c.Web.Pprof) }},
	{key: "console.path", scope: Serving, help: "path of the console, which shows flows in a browser; off for none",
		bind: func(c *Config) value { return (*textValue)(&c.Web.Console) }},
	{key: "allow_unauthenticated", scope: Serving, help: "allow an address that other machines can reach without authentication",
		bind: func(c *Config) value { return (*boolValue)(&c.Web.AllowUnauthenticated) }},

	{key: "parts", scope: Serving, help: "what this process does: ingest (takes samples in), flows (keeps flows up to date) and upkeep (migrates, seals, drops, applies flows); processes of one database share the work, each with a database role of its own if wanted",
		bind: func(c *Config) value { return (*listValue)(&c.Parts) }},

	{key: "memory.limit", scope: Serving, least: 16 << 20, unit: "bytes", help: "memory that the process should not exceed (GOMEMLIMIT is set to 32 MiB less, unless the environment has it); 0 for four fifths of the control group's limit, half of that with a private PostgreSQL, or none without a control group",
		bind: func(c *Config) value { return (*bytesValue)(&c.MemoryLimit) }},

	{key: "flows", scope: Serving, help: "files, directories or glob patterns of flow definitions to apply at startup, and again on SIGHUP and POST /-/reload",
		bind: func(c *Config) value { return (*listValue)(&c.FlowFiles) }},

	{key: "raw.regions", scope: Serving, least: 1, unit: "regions", help: "number of shards of the raw data; fixed when the database is first used",
		bind: func(c *Config) value { return (*intValue)(&c.Regions) }},
	{key: "raw.retention", scope: Everywhere, unit: "duration", help: "how long raw samples are kept; 0 keeps them all",
		bind: func(c *Config) value { return (*durationValue)(&c.Upkeep.Retention) }},
	{key: "raw.retention_grace", scope: Serving, unit: "duration", help: "how long raw samples that the retention has given up are kept, so that laminar retention restore can take it back",
		bind: func(c *Config) value { return (*durationValue)(&c.Upkeep.RetentionGrace) }},
	{key: "raw.lookback", scope: Everywhere, unit: "duration", help: "how far back instant selectors look for a sample, in flows that do not say",
		bind: func(c *Config) value { return (*durationValue)(&c.Lookback) }},
	{key: "rules.emit", scope: Everywhere, help: "when recording rules of Prometheus rule files write rows: close (when a window has closed) or update (also while it is open, as provisional)",
		bind: func(c *Config) value { return (*textValue)(&c.RulesEmit) }},

	{key: "ingest.max_body", scope: Serving, least: 1, unit: "bytes", help: "maximum size of a request as sent",
		bind: func(c *Config) value { return (*bytesValue)(&c.Ingest.MaxBody) }},
	{key: "ingest.max_decoded", scope: Serving, least: 1, unit: "bytes", help: "maximum size of a request after decompression",
		bind: func(c *Config) value { return (*bytesValue)(&c.Ingest.MaxDecoded) }},
	{key: "ingest.max_labels", scope: Serving, least: 1, unit: "labels", help: "maximum number of labels of a series, including its name",
		bind: func(c *Config) value { return (*intValue)(&c.Ingest.MaxLabels) }},
	{key: "ingest.max_label_bytes", scope: Serving, least: 1, unit: "bytes", help: "maximum total size of the label names and values of a series",
		bind: func(c *Config) value { return (*bytesValue)(&c.Ingest.MaxLabelBytes) }},
	{key: "ingest.max_ahead", scope: Serving, unit: "duration", help: "how far a sample may be ahead of the database's clock",
		bind: func(c *Config) value { return (*durationValue)(&c.Ingest.MaxAhead) }},
	{key: "ingest.max_age", scope: Serving, unit: "duration", help: "how far a sample may be behind the database's clock; 0 for as long as raw samples are kept, and 90d where they are all kept",
		bind: func(c *Config) value { return (*durationValue)(&c.Ingest.MaxAge) }},
	{key: "ingest.buffer", scope: Serving, least: 1 << 20, unit: "bytes", help: "maximum memory for requests under way, from before they are read to their commit; above it, senders are told to retry; 0 for a quarter of memory.limit, at most 128MiB",
		bind: func(c *Config) value { return (*bytesValue)(&c.Ingest.Buffer) }},
	{key: "ingest.max_requests", scope: Serving, least: 1, unit: "requests", help: "maximum number of requests under way; further ones are told to retry before they are read",
		bind: func(c *Config) value { return (*intValue)(&c.Ingest.MaxRequests) }},
	{key: "ingest.max_series", scope: Serving, unit: "series", help: "maximum number of series that one process remembers, which are those with samples in the last 6 hours; samples of new ones are refused above it; 0 for no limit but memory: with a memory.limit, a quarter of it",
		bind: func(c *Config) value { return (*intValue)(&c.Ingest.MaxSeries) }},
	{key: "ingest.max_series_per_metric", scope: Serving, unit: "series", help: "the same for each metric; 0 for no limit",
		bind: func(c *Config) value { return (*intValue)(&c.Ingest.SeriesMetric) }},
	{key: "ingest.max_new_series_per_minute", scope: Serving, unit: "series", help: "maximum number of series that one process adds to the database in a minute; samples of new ones are refused above it; 0 for no limit",
		bind: func(c *Config) value { return (*intValue)(&c.Ingest.SeriesMinute) }},
	{key: "ingest.flush_samples", scope: Serving, least: 1, unit: "samples", help: "number of samples that fills one commit",
		bind: func(c *Config) value { return (*intValue)(&c.Ingest.FlushSamples) }},
	{key: "ingest.linger", scope: Serving, unit: "duration", help: "maximum time that a commit waits for requests that are likely to join it",
		bind: func(c *Config) value { return (*durationValue)(&c.Ingest.Linger) }},
	{key: "ingest.start_timestamps", scope: Serving, help: "start timestamps of remote write 2.0: ignore, or zero_sample to store a 0 at one that is newer than all other samples of its series",
		bind: func(c *Config) value { return (*textValue)(&c.Ingest.Starts) }},

	{key: "ha.cluster_label", scope: Serving, help: "label that names the pair of senders a series comes from; with ha.replica_label, one replica of each pair is stored",
		bind: func(c *Config) value { return (*textValue)(&c.HA.ClusterLabel) }},
	{key: "ha.replica_label", scope: Serving, help: "label that names the replica within its pair; it is not stored",
		bind: func(c *Config) value { return (*textValue)(&c.HA.ReplicaLabel) }},
	{key: "ha.failover_timeout", scope: Serving, least: 1e9, unit: "duration", help: "how long a replica may be silent before the other one is stored instead",
		bind: func(c *Config) value { return (*durationValue)(&c.HA.FailoverTimeout) }},

	{key: "seal.after", scope: Serving, least: 1e9, unit: "duration", help: "age at which a generation of hot segments is sealed",
		bind: func(c *Config) value { return (*durationValue)(&c.Upkeep.Seal.After) }},
	{key: "seal.max_wait", scope: Serving, unit: "duration", help: "how long sealing waits for flows that have not read a generation yet",
		bind: func(c *Config) value { return (*durationValue)(&c.Upkeep.Seal.MaxWait) }},
	{key: "seal.max_hot", scope: Serving, least: 1 << 20, unit: "bytes", help: "size of the hot segments at which sealing stops waiting for flows",
		bind: func(c *Config) value { return (*bytesValue)(&c.Upkeep.Seal.MaxHot) }},

	{key: "maintenance.schedule", scope: Serving, help: "when to seal, apply the retention and drop unused tables (cron in UTC, or @every 5m)",
		bind: func(c *Config) value { return (*textValue)(&c.Upkeep.Schedule) }},

	{key: "verify.schedule", scope: Serving, help: "when to compare result tables with the raw samples (cron in UTC, or @every 1h); empty for never",
		bind: func(c *Config) value { return (*textValue)(&c.Upkeep.Verify.Schedule) }},
	{key: "verify.sample", scope: Serving, help: "share of the windows that each of these comparisons covers",
		bind: func(c *Config) value { return (*partValue)(&c.Upkeep.Verify.Sample) }},

	{key: "flownode.executor", scope: Serving, help: "how partials are computed in flows that do not say: columnar (in this process), pushdown (in the database) or auto (whichever should be cheaper)",
		bind: func(c *Config) value { return (*textValue)(&c.Flownode.Executor) }},
	{key: "flownode.round_budget", scope: Serving, least: 1e6, unit: "duration", help: "time after which a round leaves work that can wait to the next round",
		bind: func(c *Config) value { return (*durationValue)(&c.Flownode.RoundBudget) }},
	{key: "flownode.max_state", scope: Serving, unit: "bytes", help: "maximum memory for the pane state of all flows of the process, and for what a window is computed from; a flow for which there is none left computes its windows from raw samples, and one with a window that needs more alone stands still. 0 for a quarter of memory.limit, and without one for 1GiB for each selector",
		bind: func(c *Config) value { return (*bytesValue)(&c.Flownode.MaxState) }},

	{key: "query.enabled", scope: Serving, help: "answer PromQL under /api/v1/, as Prometheus does",
		bind: func(c *Config) value { return (*boolValue)(&c.Query.Enabled) }},
	{key: "query.timeout", scope: Serving, least: 1e6, unit: "duration", help: "maximum time of a query, waiting included",
		bind: func(c *Config) value { return (*durationValue)(&c.Query.Timeout) }},
	{key: "query.lookback", scope: Serving, least: 1e6, unit: "duration", help: "how far back instant selectors of queries look for a sample",
		bind: func(c *Config) value { return (*durationValue)(&c.Query.Lookback) }},
	{key: "query.from_flows", scope: Serving, help: "auto answers the parts of a query that are expressions of flows from the flows' results, where these are what the raw samples give; off computes everything",
		bind: func(c *Config) value { return (*textValue)(&c.Query.FromFlows) }},
	{key: "query.max_samples", scope: Serving, least: 1, unit: "samples", help: "maximum number of samples that a query may read, and hold while it is computed; with a memory.limit no more than fill query.max_memory, and only one query at a time holds more than a small part of them",
		bind: func(c *Config) value { return (*intValue)(&c.Query.MaxSamples) }},
	{key: "query.max_concurrent", scope: Serving, least: 1, unit: "queries", help: "maximum number of queries under way, each with a database connection beside those of database.max_connections; sixteen times as many wait, further ones are told to retry",
		bind: func(c *Config) value { return (*intValue)(&c.Query.MaxConcurrent) }},
	{key: "query.max_memory", scope: Serving, unit: "bytes", help: "maximum memory for the samples and series that all queries have read; a query that needs more fails. Label sets take up to half as much in addition. 0 for a quarter of memory.limit, at most 512MiB",
		bind: func(c *Config) value { return (*bytesValue)(&c.Query.MaxMemory) }},

	{key: "subscribe.retention", scope: Serving, unit: "duration", help: "how long it is kept which rows of flows have changed; who follows a flow and is away for longer reads its table anew",
		bind: func(c *Config) value { return (*durationValue)(&c.Upkeep.ChangeLog) }},
	{key: "subscribe.max_streams", scope: Serving, unit: "streams", help: "maximum number of subscriptions that one process answers at a time, of which one login or address has three quarters at most; further ones are told to retry; 0 for no subscriptions",
		bind: func(c *Config) value { return (*intValue)(&c.Follow.MaxStreams) }},
	{key: "subscribe.buffer", scope: Serving, least: 1 << 20, unit: "bytes", help: "maximum memory for changes that are held for subscriptions; one that falls behind them is sent what it has missed from the tables",
		bind: func(c *Config) value { return (*bytesValue)(&c.Follow.Buffer) }},
	{key: "subscribe.write_timeout", scope: Serving, least: 1e6, unit: "duration", help: "maximum time in which a subscription takes 64 KiB of what it is sent; a slower one is ended, and goes on from its position when it comes again",
		bind: func(c *Config) value { return (*durationValue)(&c.Follow.WriteTimeout) }},

	{key: "alerting.config_file", scope: Serving, help: "file in the form of prometheus.yml whose sections alerting and global.external_labels say which Alertmanagers are told of alerts",
		bind: func(c *Config) value { return (*textValue)(&c.Alerting.ConfigFile) }},
	{key: "alerting.alertmanagers", scope: Serving, help: "URLs of Alertmanagers, beside those of alerting.config_file",
		bind: func(c *Config) value { return (*listValue)(&c.Alerting.Alertmanagers) }},
	{key: "alerting.external_url", scope: Serving, help: "URL to which links in alerts lead, such as that of a Grafana or a Prometheus",
		bind: func(c *Config) value { return (*textValue)(&c.Alerting.ExternalURL) }},
	{key: "alerting.resend_delay", scope: Serving, least: 1e9, unit: "duration", help: "time after which Alertmanagers are told again of an alert that goes on",
		bind: func(c *Config) value { return (*durationValue)(&c.Alerting.ResendDelay) }},
	{key: "alerting.max_age", scope: Serving, least: 1e9, unit: "duration", help: "how old an evaluation may be for Alertmanagers to be told of it, after an outage for example",
		bind: func(c *Config) value { return (*durationValue)(&c.Alerting.MaxAge) }},
	{key: "alerting.history", scope: Serving, unit: "duration", help: "how long changes of alerts are kept; 0 keeps them all",
		bind: func(c *Config) value { return (*durationValue)(&c.Upkeep.AlertHistory) }},
	{key: "alerting.corrections", scope: Serving, help: "tell Alertmanagers also of alerts that late samples show to have begun and ended in the past",
		bind: func(c *Config) value { return (*boolValue)(&c.Alerting.Corrections) }},

	{key: "log.level", help: "debug, info, warn or error",
		bind: func(c *Config) value { return (*textValue)(&c.Log.Level) }},
	{key: "log.format", help: "text or json",
		bind: func(c *Config) value { return (*textValue)(&c.Log.Format) }},
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
	c := Default()
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

// Flags is the flags of a command, of which AddFlags made some: *cobra.Command.
type Flags interface {
	Flag(name string) *pflag.Flag // nil when there is none
}

// typed is what was typed for a setting as a flag of the command, nil when
// nothing was or the command has no such flag.
func (s setting) typed(flags Flags) *flagText {
	flag := flags.Flag(s.flag())
	if flag == nil {
		return nil
	}
	if text, ok := flag.Value.(*flagText); ok && len(text.text) > 0 {
		return text
	}
	return nil
}

// AddFlags adds the flags of a scope's settings.
func AddFlags(flags *pflag.FlagSet, of Scope) {
	c := Default()
	for _, s := range table {
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
