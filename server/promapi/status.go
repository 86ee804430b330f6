package promapi

import (
	"cmp"
	"context"
	"maps"
	"math"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"laminar/query"
	"laminar/sequence/series"
)

// pages answers what clients ask for beside queries.
type pages struct {
	lookups
	started time.Time
}

// apiVersion is the version of Prometheus whose API this is. Clients look at it before
// they use what newer versions have; Laminar's own is the revision.
const apiVersion = "3.15.0"

// buildInfo answers /status/buildinfo. It lists no features: Grafana takes a server that
// does for one with rules that can be edited.
func (a pages) buildInfo(*http.Request) answer {
	return answer{data: struct {
		Version   string `json:"version"`
		Revision  string `json:"revision"`
		Branch    string `json:"branch"`
		BuildUser string `json:"buildUser"`
		BuildDate string `json:"buildDate"`
		GoVersion string `json:"goVersion"`
	}{apiVersion, a.cfg.Build.Version, "laminar", "", a.cfg.Build.Date, runtime.Version()}}
}

// runtimeInfo answers /status/runtimeinfo.
func (a pages) runtimeInfo(*http.Request) answer {
	host, _ := os.Hostname()
	return answer{data: struct {
		StartTime           time.Time `json:"startTime"`
		CWD                 string    `json:"CWD"`
		Hostname            string    `json:"hostname"`
		ServerTime          time.Time `json:"serverTime"`
		ReloadConfigSuccess bool      `json:"reloadConfigSuccess"`
		LastConfigTime      time.Time `json:"lastConfigTime"`
		CorruptionCount     int64     `json:"corruptionCount"`
		GoroutineCount      int       `json:"goroutineCount"`
		GOMAXPROCS          int       `json:"GOMAXPROCS"`
		GOMEMLIMIT          int64     `json:"GOMEMLIMIT"`
		GOGC                string    `json:"GOGC"`
		GODEBUG             string    `json:"GODEBUG"`
		StorageRetention    string    `json:"storageRetention"`
	}{
		StartTime: a.started.UTC(), Hostname: host, ServerTime: a.now().UTC(), ReloadConfigSuccess: true, LastConfigTime: a.started.UTC(),
		GoroutineCount: runtime.NumGoroutine(), GOMAXPROCS: runtime.GOMAXPROCS(0), GOMEMLIMIT: debug.SetMemoryLimit(-1),
		GOGC: os.Getenv("GOGC"), GODEBUG: os.Getenv("GODEBUG"), StorageRetention: a.cfg.Flags["raw.retention"],
	}}
}

// configuration answers /status/config. Laminar scrapes nothing, so what there is to
// show are its settings, which /status/flags has.
func (a pages) configuration(*http.Request) answer {
	return answer{data: map[string]string{"yaml": ""}}
}

// flags answers /status/flags.
func (a pages) flags(*http.Request) answer { return answer{data: a.cfg.Flags} }

// walReplay answers /status/walreplay: what is served needs no replay.
func (a pages) walReplay(*http.Request) answer {
	return answer{data: map[string]any{"min": 0, "max": 0, "current": 0, "state": "done"}}
}

// targets answers /targets: nothing is scraped.
func (a pages) targets(*http.Request) answer {
	return answer{data: map[string]any{"activeTargets": []string{}, "droppedTargets": []string{}, "droppedTargetCounts": map[string]int{}}}
}

// alertmanagers answers /alertmanagers: alerts are sent to none.
func (a pages) alertmanagers(*http.Request) answer {
	return answer{data: map[string]any{"activeAlertmanagers": []string{}, "droppedAlertmanagers": []string{}}}
}

// statistic is a row of /status/tsdb.
type statistic struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

// tsdb answers /status/tsdb: how many series there are, by metric.
func (a pages) tsdb(r *http.Request) answer {
	limit := 10
	if text := r.FormValue("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return refuse(errLimit)
		}
		limit = n
	}
	return a.look(r, math.MinInt64, math.MaxInt64, func(ctx context.Context, q storage.Querier) (any, bool, error) {
		set := q.Select(ctx, false, &storage.SelectHints{Start: math.MinInt64, End: math.MaxInt64, Func: "series"},
			labels.MustNewMatcher(labels.MatchNotEqual, model.MetricNameLabel, ""))
		metrics, values, pairs := map[string]uint64{}, map[string]map[string]struct{}{}, map[string]uint64{}
		total := 0
		for set.Next() {
			total++
			set.At().Labels().Range(func(l labels.Label) {
				if l.Name == model.MetricNameLabel {
					metrics[l.Value]++
				}
				if values[l.Name] == nil {
					values[l.Name] = map[string]struct{}{}
				}
				values[l.Name][l.Value] = struct{}{}
				pairs[l.Name+"="+l.Value]++
			})
		}
		counts := make(map[string]uint64, len(values))
		for name, set := range values {
			counts[name] = uint64(len(set))
		}
		return map[string]any{
			"headStats":                   map[string]any{"numSeries": total, "numLabelPairs": len(pairs), "chunkCount": 0, "minTime": 0, "maxTime": 0},
			"seriesCountByMetricName":     largest(metrics, limit),
			"labelValueCountByLabelName":  largest(counts, limit),
			"memoryInBytesByLabelName":    []statistic{},
			"seriesCountByLabelValuePair": largest(pairs, limit),
		}, false, set.Err()
	})
}

// largest is the largest counts, descending.
func largest(counts map[string]uint64, limit int) []statistic {
	out := make([]statistic, 0, len(counts))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, statistic{name, counts[name]})
	}
	slices.SortStableFunc(out, func(a, b statistic) int { return cmp.Compare(b.Value, a.Value) })
	return out[:min(limit, len(out))]
}

// metadata answers /metadata: what senders say of metrics.
func (a pages) metadata(r *http.Request) answer {
	limit := -1 // none
	// One description of a metric is stored, so a limit per metric leaves out none.
	for _, name := range []string{"limit_per_metric", "limit"} {
		if text := r.FormValue(name); text != "" {
			var err error
			if limit, err = strconv.Atoi(text); err != nil {
				return refuse(notNumber(name))
			}
		}
	}
	if r.FormValue("limit") == "" {
		limit = -1
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Queries.Timeout())
	defer cancel()
	list, err := a.described(ctx, r.FormValue("metric"))
	if err != nil {
		return answer{err: a.failed(r, &query.StorageError{Err: err})}
	}
	type described struct {
		Type string `json:"type"`
		Unit string `json:"unit"`
		Help string `json:"help"`
	}
	out := map[string][]described{}
	for _, m := range list {
		if _, again := out[m.Metric]; !again && limit >= 0 && len(out) >= limit {
			break
		}
		out[m.Metric] = []described{{m.Type, m.Unit, m.Help}}
	}
	return answer{data: out}
}

// described is what is said of a metric, or of all: by senders, and of flows by their
// definitions. A flow hides the metric of its name.
func (a pages) described(ctx context.Context, metric string) ([]series.Metadata, error) {
	var list []series.Metadata
	var err error
	if metric == "" {
		list, err = a.cfg.Metadata.AllMetadata(ctx)
	} else {
		list, err = a.cfg.Metadata.Metadata(ctx, []string{metric})
	}
	if err != nil {
		return nil, err
	}
	rules, err := a.cfg.Rules.Rules(ctx)
	if err != nil {
		return nil, err
	}
	for i := range rules {
		rule := &rules[i]
		if !rule.Alerting && (metric == "" || metric == rule.Name) {
			list = append(list, series.Metadata{Metric: rule.Name, Type: "gauge", Help: rule.Query})
		}
	}
	return list, nil
}
