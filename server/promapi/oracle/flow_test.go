package oracle

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/server/promapi"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/sqltest"
)

// laid is a flow with random rows in the windows of an hour, and a row in the open one.
type laid struct {
	def    flowdef.Flow
	rows   map[int64]map[string]float64 // by window end and label set
	labels map[string]labels.Labels
	until  int64 // the end of the newest closed window
}

// randomRows makes rows of some groups, which come and go.
func randomRows(rng *rand.Rand, def flowdef.Flow, groups ...labels.Labels) *laid {
	f := &laid{def: def, rows: map[int64]map[string]float64{}, labels: map[string]labels.Labels{}, until: base + 50*minute}
	f.until -= f.until % def.Every
	there := make([]bool, len(groups))
	for end := base + def.Every; end <= f.until+def.Every; end += def.Every {
		f.rows[end] = map[string]float64{}
		for i, g := range groups {
			if rng.IntN(6) == 0 {
				there[i] = !there[i]
			}
			f.labels[g.String()] = g
			if there[i] || end > f.until {
				f.rows[end][g.String()] = rng.NormFloat64()
			}
		}
	}
	return f
}

// store applies the flow and commits its rows, as a flownode does.
func (f *laid) store(t *testing.T, db *sqltest.RawDB) {
	t.Helper()
	db.Apply(f.def)
	rounds := sqltest.Rounds{Flow: db.Take(f.def.Title())}
	layout := flowdef.NewLayout(f.def)
	var windows []progress.Window
	for end := base + f.def.Every; end <= f.until+f.def.Every; end += f.def.Every {
		w := progress.Window{Start: end - f.def.Every, End: end, Complete: true}
		for key, v := range f.rows[end] {
			w.Rows = append(w.Rows, progress.Row{Columns: layout.Row(f.labels[key]), Value: v})
		}
		windows = append(windows, w)
	}
	round := rounds.Next(windows...)
	round.To.EmittedUntil, round.To.BeginsAfter = f.until, base
	round.To.Vector = round.From // where the regions are
	sqltest.CommitOne(t, db.Store, round)
}

// series is the flow as Prometheus would have it from rules: at each evaluation a sample
// for each result, and a marker where there was one at the evaluation before.
func (f *laid) series() (out []oneSeries) {
	for key, g := range f.labels {
		b := labels.NewBuilder(g)
		b.Set(model.MetricNameLabel, f.def.Name)
		for _, s := range f.def.StaticLabels {
			b.Set(s.Name, s.Value)
		}
		s := oneSeries{labels: b.Labels()}
		before := false
		for end := base + f.def.Every; end <= f.until; end += f.def.Every {
			v, now := f.rows[end][key]
			switch {
			case now:
				s.samples = append(s.samples, sample{t: end, v: v})
			case before:
				s.samples = append(s.samples, sample{t: end, v: segment.Stale()})
			}
			before = now
		}
		out = append(out, s)
	}
	return out
}

// TestFlowsAreMetrics: whatever is asked of flows is answered as a Prometheus answers that
// has evaluated them as rules, which includes the markers of results that are gone.
func TestFlowsAreMetrics(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	set := labels.FromStrings
	flows := []*laid{
		randomRows(rng, sqltest.FlowFor(t, "'job:requests:rate5m'", "sum by (job) (rate(requests_total[5m]))"), set("job", "api"), set("job", "db"), set("job", "web"), set()),
		randomRows(rng, sqltest.Record(t, "twice", "temperature * 2", "prod")[0], set("job", "api", "instance", "i0"), set("job", "api", "instance", "i1"), set("job", "db", "instance", "i0")),
		randomRows(rng, sqltest.FlowFor(t, "total", "sum(temperature)"), set()),
	}
	raws := fleet(6)
	w := newWorld(t, raws)
	db := &sqltest.RawDB{TB: t, Store: w.store}
	for _, f := range flows {
		f.store(t, db)
		w.series = append(w.series, f.series()...)
	}
	w.theirs = w.prometheus()
	w.groupsAreRows(len(flows))
	for _, expr := range []string{
		"total", "total[15m]", "rate(total[10m])", "job:requests:rate5m", `job:requests:rate5m{job!="db"}`, "sum(job:requests:rate5m)", "count(twice)", `twice{env="prod",instance=~"i."}`, `{__name__=~"job:.*|twice"}`,
		"count_over_time(twice[10m])", "job:requests:rate5m[20m]", "temperature + on (job, instance) twice", `count by (__name__) ({__name__!=""})`,
		// Texts that the database has no room for: no series has them.
		`job:requests:rate5m{job="a\x00"}`, `job:requests:rate5m{job!="a\x00"}`, `twice{instance="\xff",job="api"}`, `{__name__="total\x00"}`, `sum({__name__="\xff"}) or total`,
		"avg_over_time(twice[7m] offset 3m)",
		"max_over_time(sum(job:requests:rate5m)[10m:1m])", "changes(job:requests:rate5m[30m])", `{job="api"}`,
	} {
		for at := base - minute; at <= base+50*minute; at += 7*minute + 13*second {
			w.same(request{http.MethodPost, "/api/v1/query", form("query", expr, "time", fmt.Sprint(float64(at)/1000)), nil})
		}
		if !strings.HasSuffix(expr, "]") {
			w.same(request{http.MethodGet, "/api/v1/query_range", form("query", expr, "start", fmt.Sprint(base/1000), "end", fmt.Sprint(base/1000+3600), "step", "45"), nil})
		}
	}
	for path, forms := range map[string][]string{
		"series":                {"twice", `{__name__=~"job:req.*|native"}`, `{env="prod"}`},
		"labels":                {"twice", `{env="prod"}`, "", `{__name__=~"twice|native"}`},
		"label/env/values":      {"", "twice", `{job="db"}`},
		"label/job/values":      {"job:requests:rate5m", ""},
		"label/__name__/values": {"", `{env="prod"}`, `{__name__=~"j.*"}`},
	} {
		for _, match := range forms {
			f := form("start", fmt.Sprint(base/1000), "end", fmt.Sprint(base/1000+3000))
			if match != "" {
				f.Set("match[]", match)
			}
			w.same(request{http.MethodGet, "/api/v1/" + path, f, nil})
		}
	}
	// The expression of a flow is answered from its rows, unless the request says otherwise;
	// the rows are not what the samples give, so it shows.
	expression := func(use string) (code int, fromFlows, body string) {
		rec := httptest.NewRecorder()
		w.ours.ServeHTTP(rec, request{http.MethodPost, "/api/v1/query_range", form("query", "sum(sum by (job) (rate(requests_total[5m])))", "from_flows", use,
			"start", fmt.Sprint(base/1000+600), "end", fmt.Sprint(base/1000+3600), "step", "60"), nil}.to())
		return rec.Code, rec.Header().Get(promapi.FlowsHeader), rec.Body.String()
	}
	const said = `"infos":["PromQL info: answered from flow job:requests:rate5m: 41 of 51 steps"]`
	if _, n, body := expression("auto"); !strings.Contains(body, said) || n != "41/51" {
		t.Errorf("auto: %s %.600s", n, body)
	}
	if _, n, body := expression(""); !strings.Contains(body, said) || n != "41/51" {
		t.Errorf("as is the default: %s %.600s", n, body)
	}
	if code, n, body := expression("off"); strings.Contains(body, "answered from") || n != "" || code != http.StatusOK {
		t.Errorf("off: %d %s %.600s", code, n, body)
	}
	if code, _, body := expression("yes"); code != http.StatusBadRequest || !strings.Contains(body, "from_flows") {
		t.Errorf("yes: %d %s", code, body)
	}
	rules := answer(t, w.ours, request{http.MethodGet, "/api/v1/rules", form("type", "record"), nil}).body
	for _, part := range []string{`"name":"job:requests:rate5m","query":"sum by (job) (rate(requests_total[5m]))"`, `"name":"twice"`, `"labels":{"env":"prod"}`, `"health":"ok"`, `"interval":60`} {
		if !strings.Contains(rules, part) {
			t.Errorf("the rules lack %s: %s", part, rules)
		}
	}
	if alerts := answer(t, w.ours, request{http.MethodGet, "/api/v1/alerts", nil, nil}).body; alerts != `{"status":"success","data":{"alerts":[]}}` {
		t.Errorf("alerts: %s", alerts)
	}
	// The open window, for those who ask for it.
	end := flows[1].until + minute
	for provisional, want := range map[string]int{"": 0, "0": 0, "1": 3} {
		body := answer(t, w.ours, request{http.MethodGet, "/api/v1/query", form("query", fmt.Sprintf("twice @ %d", end/1000), "lookback_delta", "1s", "provisional", provisional), nil}).body
		if got := strings.Count(body, `"metric"`); got != want {
			t.Errorf("provisional=%s: %d results, want %d: %s", provisional, got, want, body)
		}
	}
}

// groupsAreRows: the rows of flows are the same, read by group and by window.
func (w *world) groupsAreRows(flows int) {
	w.Helper()
	readers, err := w.store.OpenReaders(w.Context(), 1)
	if err != nil {
		w.Fatal(err)
	}
	defer readers.Close()
	snap, err := readers.Catalogue.Stored(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	defer snap.Close(w.Context())
	list, err := snap.Named(w.Context(), nil)
	if err != nil || len(list) != flows {
		w.Fatalf("%d flows, %v", len(list), err)
	}
	for _, f := range list {
		for _, ends := range []sequence.Span{{After: 0, UpTo: base + hour}, {After: base + 7*minute, UpTo: base + 20*minute}, {After: base - hour, UpTo: base - minute}} {
			windows, err := snap.Results(w.Context(), f.ID, ends)
			if err != nil {
				w.Fatal(err)
			}
			want, got := map[string]float64{}, map[string]float64{}
			for _, win := range windows {
				for _, row := range win.Rows {
					want[fmt.Sprint(row.Columns, win.End)] = row.Value
				}
			}
			groups, plain, err := snap.Groups(w.Context(), f.ID, ends, nil, len(want))
			if err != nil || !plain {
				w.Fatalf("%s: plain %v, %v", f.Def.Name, plain, err)
			}
			for _, g := range groups {
				if !slices.IsSorted(g.Ends) || len(g.Ends) != len(g.Values) {
					w.Errorf("%s: %v", f.Def.Name, g)
				}
				for i, end := range g.Ends {
					got[fmt.Sprint(g.Columns, end)] = g.Values[i]
				}
			}
			w.someGroups(snap, &f, ends, groups)
			// One row too many is an error, however they are read.
			if n := len(want) - 1; n >= 0 {
				_, _, byGroup := snap.Groups(w.Context(), f.ID, ends, nil, n)
				_, byWindow := snap.ResultsUpTo(w.Context(), f.ID, ends, n)
				_, byTime := snap.ResultsAt(w.Context(), f.ID, windows[0].End, windows[0].End, minute, len(windows[0].Rows)-1)
				for _, err := range []error{byGroup, byWindow, byTime} {
					if !errors.Is(err, progress.ErrTooManyRows) {
						w.Errorf("%s in %s: at most %d of %d rows: %v", f.Def.Name, ends, n, len(want), err)
					}
				}
			}
			if !maps.Equal(got, want) {
				w.Errorf("%s in %s: by group %v, by window %v", f.Def.Name, ends, got, want)
			}
		}
	}
}

// someGroups: the groups of a flow that have a value in a label column are the same, read
// alone and with the others. Where all labels have one column, all are read.
func (w *world) someGroups(snap *flowstore.Stored, f *progress.Flow, ends sequence.Span, all []progress.Group) {
	w.Helper()
	layout := flowdef.NewLayout(f.Def)
	for i, column := range layout.Names {
		values := []string{"nobody's", "", `'";`}
		for _, g := range all {
			values = append(values, g.Columns[i])
		}
		for _, value := range values {
			var want []progress.Group
			for _, g := range all {
				if !layout.PerLabel || g.Columns[i] == value {
					want = append(want, g)
				}
			}
			got, _, err := snap.Groups(w.Context(), f.ID, ends, map[string]string{column: value, "other": "x"}, math.MaxInt32)
			byColumns := func(a, b progress.Group) int { return slices.Compare(a.Columns, b.Columns) }
			slices.SortFunc(got, byColumns)
			slices.SortFunc(want, byColumns)
			if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				w.Errorf("%s in %s, %s=%q: %v, want %v: %v", f.Def.Name, ends, column, value, got, want, err)
			}
		}
	}
}

// TestLookbackOfFlows: an instant selector of a flow with a long step finds its newest
// result, unless the request says how far back to look, or looks for other metrics too.
func TestLookbackOfFlows(t *testing.T) {
	def := sqltest.Define(t, "flows:\n  - {name: slow, promql: sum by (job) (temperature), every: 20m}\n  - {name: 'job:recorded', promql: sum by (job) (temperature), every: 1m}\n")
	w := newWorld(t, fleet(7))
	db := &sqltest.RawDB{TB: t, Store: w.store}
	f := randomRows(rand.New(rand.NewPCG(1, 1)), def[0], labels.FromStrings("job", "api"))
	for end := range f.rows {
		f.rows[end] = map[string]float64{f.labels[`{job="api"}`].String(): 42}
	}
	f.store(t, db)
	recorded := randomRows(rand.New(rand.NewPCG(1, 2)), def[1], labels.FromStrings("job", "ours"))
	recorded.store(t, db)
	at := fmt.Sprint((base + 39*minute) / 1000) // the newest result is at 20 min
	for _, tc := range []struct {
		expr, lookback string
		want           int
	}{
		{"slow", "", 1}, {"sum(slow)", "", 1}, {"slow", "5m", 0}, {"slow + on (job) group_right temperature", "", 0}, {"slow or none", "", 0}, {"slow + on (job) count_over_time(slow[40m])", "", 1},
	} {
		body := answer(t, w.ours, request{http.MethodGet, "/api/v1/query", form("query", tc.expr, "time", at, "lookback_delta", tc.lookback), nil}).body
		if got := strings.Count(body, `"metric"`); got != tc.want {
			t.Errorf("%s, lookback %s: %d results, want %d: %s", tc.expr, tc.lookback, got, tc.want, body)
		}
	}
	// A flow hides the raw metric of its name, and says so.
	var got struct {
		Data struct {
			Result []struct{ Metric map[string]string }
		}
		Infos []string
	}
	body := answer(t, w.ours, request{http.MethodGet, "/api/v1/query", form("query", "last_over_time(job:recorded[1h])", "time", at), nil}).body
	if err := json.Unmarshal([]byte(body), &got); err != nil || len(got.Data.Result) != 1 || got.Data.Result[0].Metric["job"] != "ours" || len(got.Infos) != 1 || !strings.Contains(got.Infos[0], "job:recorded is a flow") {
		t.Errorf("%v: %s", err, body)
	}
}
