package settings

import (
	"cmp"
	"log/slog"
	"net"
	"time"

	"laminar/flownode/flowdef"
	"laminar/query"
	"laminar/sequence"
	"laminar/server"
	"laminar/server/upkeep"
	"laminar/server/view"
)

// leastAlertHistory is longer than late samples can correct alerts: rows of their
// expressions are kept for 15 days.
const leastAlertHistory = 30 * 24 * time.Hour

// Validate says which field cannot be meant. It looks at what is set, not at
// the world: whether files and databases are there is found when they are used.
func (c *Config) Validate() error {
	switch {
	case c.DataDir == "" && c.Database.URL == "" && c.URLFile == "":
		return faultf("data_dir and database.url are both empty: one of them must say where the database is")
	case c.Database.URL != "" && c.URLFile != "":
		return faultf("database.url and database.url_file are both set: set one of them")
	case c.Regions < 1 || c.Regions > sequence.MaxRegions:
		return faultf("raw.regions is %d: want 1 to %d", c.Regions, sequence.MaxRegions)
	case c.Upkeep.Retention != 0 && c.Upkeep.Retention < time.Hour:
		return faultf("raw.retention is %s: want an hour at least, or 0 to keep all samples", view.FormatDuration(c.Upkeep.Retention))
	case c.Upkeep.AlertHistory != 0 && c.Upkeep.AlertHistory < leastAlertHistory:
		return faultf("alerting.history is %s: want 30 days at least, or 0 to keep all changes", view.FormatDuration(c.Upkeep.AlertHistory))
	case c.Upkeep.ChangeLog < time.Minute:
		return faultf("subscribe.retention is %s: want a minute at least", view.FormatDuration(c.Upkeep.ChangeLog))
	case c.Lookback < time.Millisecond:
		return faultf("raw.lookback is %s: want a millisecond at least", view.FormatDuration(c.Lookback))
	case !c.RulesEmit.Known():
		return faultf("rules.emit is %q: want %s or %s", c.RulesEmit, flowdef.EmitClose, flowdef.EmitUpdate)
	case c.Ingest.Starts != server.StartsIgnored && c.Ingest.Starts != server.StartsZero:
		return faultf("ingest.start_timestamps is %q: want %s or %s", c.Ingest.Starts, server.StartsIgnored, server.StartsZero)
	case (c.HA.ClusterLabel == "") != (c.HA.ReplicaLabel == ""):
		return faultf("ha.cluster_label is %q and ha.replica_label is %q: set both or neither", c.HA.ClusterLabel, c.HA.ReplicaLabel)
	case c.HA.ClusterLabel != "" && c.HA.ClusterLabel == c.HA.ReplicaLabel:
		return faultf("ha.cluster_label and ha.replica_label are both %q: want two labels", c.HA.ClusterLabel)
	case !c.Flownode.Executor.Known():
		return faultf("flownode.executor is %q: want %s, %s or %s", c.Flownode.Executor, flowdef.ExecutorAuto, flowdef.ExecutorColumnar, flowdef.ExecutorPushdown)
	case !c.Query.FromFlows.Known():
		return faultf("query.from_flows is %q: want %s or %s", c.Query.FromFlows, query.FlowsAuto, query.FlowsOff)
	case c.Log.Format != "text" && c.Log.Format != "json":
		return faultf("log.format is %q: want text or json", c.Log.Format)
	}
	if err := c.CheckParts(); err != nil {
		return faultf("%v", err)
	}
	if _, err := logLevel(c.Log.Level); err != nil {
		return err
	}
	for _, s := range table {
		if s.bind(c).String() == s.defaultText() {
			continue // which may stand for something else, as 0 does
		}
		if err := atLeast(s.key, s.bind(c), s.least); err != nil {
			return err
		}
	}
	if _, err := upkeep.ParseSchedule(c.Upkeep.Schedule); err != nil {
		return faultf("maintenance.schedule is %q: %v", c.Upkeep.Schedule, err)
	}
	if _, err := upkeep.ParseSchedule(c.Upkeep.Verify.Schedule); c.Upkeep.Verify.Schedule != "" && err != nil {
		return faultf("verify.schedule is %q: %v", c.Upkeep.Verify.Schedule, err)
	}
	alerting := c.Alerting
	alerting.ConfigFile = "" // it is read when it is used
	if _, err := alerting.Config(c.Version); err != nil {
		return faultf("%v", err)
	}
	for i, r := range c.Upkeep.Refills {
		if err := r.Validate(time.Now()); err != nil {
			return faultf("refills[%d].%v", i, err)
		}
	}
	if err := cmp.Or(c.Web.CheckConsole(), c.Web.CheckHosts()); err != nil {
		return faultf("%v", err)
	}
	if _, _, err := net.SplitHostPort(c.Web.Listen); err != nil {
		return faultf("listen is %q: want host:port", c.Web.Listen)
	}
	return nil
}

func logLevel(name string) (slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return level, faultf("log.level is %q: want debug, info, warn or error", name)
	}
	return level, nil
}
