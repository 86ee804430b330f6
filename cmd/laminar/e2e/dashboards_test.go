package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/prompb"

	"laminar/cmd/laminar/internal/laminartest"
)

// dashboard is a file of deploy/grafana/dashboards, as far as it asks for data.
type dashboard struct {
	Templating struct {
		List []struct {
			Name  string
			Query any
		}
	}
	Panels []struct {
		Type, Title string
		Targets     []struct {
			Expr, RawSQL string
			Instant      bool
		}
	}
}

// TestDashboards runs what docker-compose.yml runs (a Prometheus with the configuration
// in deploy, which scrapes Laminar and sends it what it has) beside the simulated fleet
// and its flows. Every query of every panel and every variable must answer something, as
// Grafana asks, and every metric that is named must be one of /metrics.
func TestDashboards(t *testing.T) {
	deploy := filepath.Join("..", "..", "..", "deploy")
	in := laminartest.New(t, "--flows", filepath.Join(deploy, "flows.yml"))
	in.Serve()
	in.Must("simulate", "--url", in.WriteURL(), "--history", "2h", "--interval", "15s")
	// It goes on: a minute after the last sample windows close by the clock, and a flow of one
	// minute has no newest row any more.
	live := in.Command("simulate", "--url", in.WriteURL(), "--interval", "15s")
	if err := live.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = live.Process.Kill() // it has nothing to lose
		_ = live.Wait()         // says that it was killed
	})
	pool := in.Pool()
	t.Setenv("GRAFANA_DB_PASSWORD", "it's secret")
	for range 2 { // it runs whenever the services start
		in.PSQL("-v", "ON_ERROR_STOP=1", "-f", filepath.Join(deploy, "grafana", "reader.sql"))
	}
	in.Must("grant", "--reader", "grafana")
	refuse(t, in)

	addr, config := laminartest.FreeAddr(t), filepath.Join(t.TempDir(), "prometheus.yml")
	text, err := os.ReadFile(filepath.Join(deploy, "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, config, strings.NewReplacer("localhost:9090", addr, "laminar:9201", in.Addr, "scrape_interval: 15s", "scrape_interval: 1s").Replace(string(text)))
	startSender(t, "prometheus", "http://"+addr+"/-/ready", "--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+addr)

	client, err := api.NewClient(api.Config{Address: "http://" + in.Addr})
	if err != nil {
		t.Fatal(err)
	}
	session, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Release()
	if _, err := session.Exec(t.Context(), "set role grafana"); err != nil {
		t.Fatal(err)
	}
	asking := &grafanaAsking{t: t, reader: promv1.NewAPI(client), sql: session}

	files, err := filepath.Glob(filepath.Join(deploy, "grafana", "dashboards", "*.json"))
	if err != nil || len(files) < 2 {
		t.Fatalf("found %v, %v", files, err)
	}
	named := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		asking.dashboard(filepath.Base(file), d)
		for _, name := range regexp.MustCompile(`\b(laminar|process|go)_[a-z0-9_]+`).FindAllString(string(text), -1) {
			named[name] = true
		}
	}
	metrics := string(get(t, "http://"+in.Addr+"/metrics"))
	for name := range named {
		if !strings.Contains(metrics, "\n"+name+"{") && !strings.Contains(metrics, "\n"+name+" ") {
			t.Errorf("%s is in a dashboard and not in /metrics", name)
		}
	}
	if len(named) < 30 {
		t.Errorf("the dashboards name %d metrics only", len(named))
	}
}

// refuse has a sample refused, so that the panel of refusals has data.
func refuse(t *testing.T, in *laminartest.Installation) {
	t.Helper()
	writer, err := remoteapi.NewAPI("http://"+in.Addr, remoteapi.WithAPIPath("api/v1/write"))
	if err != nil {
		t.Fatal(err)
	}
	bad := &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels: []prompb.Label{{Name: "job", Value: "nameless"}}, Samples: []prompb.Sample{{Timestamp: time.Now().UnixMilli(), Value: 1}},
	}}}
	if _, err := writer.Write(t.Context(), remoteapi.WriteV1MessageType, bad); err == nil {
		t.Fatal("a series without a name is accepted")
	}
}

// grafanaAsking asks what Grafana asks for a dashboard.
type grafanaAsking struct {
	t      *testing.T
	reader promv1.API
	sql    *pgxpool.Conn // by the role of dashboards
}

// dashboard asks for all variables and panels, with each flow in turn where the flow is
// a variable.
func (g *grafanaAsking) dashboard(file string, d dashboard) {
	values := map[string][]string{}
	for _, v := range d.Templating.List {
		switch query := v.Query.(type) {
		case map[string]any: // of a Prometheus
			g.until(file+", $"+v.Name, func() bool {
				values[v.Name] = g.labelValues(query["query"].(string), values)
				return len(values[v.Name]) > 0
			})
		case string: // the type of a data source, or a statement
			if !strings.HasPrefix(query, "select") {
				continue
			}
			for _, flow := range values["flow"] {
				rows := g.rows(strings.ReplaceAll(query, "$flow", flow))
				if len(rows) != 1 {
					g.t.Errorf("%s, $%s for %s: %v", file, v.Name, flow, rows)
					continue
				}
				values[v.Name] = append(values[v.Name], rows[0])
			}
		}
	}
	turns := max(1, len(values["flow"]))
	for turn := range turns {
		replace := []string{"$__rate_interval", "20s", "$__timeFrom()", "now() - interval '3 hours'", "$__timeTo()", "now()", "$job", ".*", "$instance", ".*"}
		if len(values["flow"]) > 0 {
			replace = append(replace, "$flow", values["flow"][turn], "${table:raw}", values["table"][turn])
		}
		with := strings.NewReplacer(replace...)
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				what := fmt.Sprintf("%s, %s: %s", file, p.Title, with.Replace(target.Expr+target.RawSQL))
				g.until(what, func() bool {
					switch {
					case target.RawSQL != "":
						return len(g.rows(with.Replace(target.RawSQL))) > 0
					case target.Instant:
						value, _, _, err := g.reader.Query(g.t.Context(), with.Replace(target.Expr), time.Now())
						vector, ok := value.(model.Vector)
						return err == nil && ok && len(vector) > 0
					default:
						value, _, _, err := g.reader.QueryRange(g.t.Context(), with.Replace(target.Expr), promv1.Range{Start: time.Now().Add(-10 * time.Minute), End: time.Now(), Step: 5 * time.Second})
						matrix, ok := value.(model.Matrix)
						return err == nil && ok && len(matrix) > 0
					}
				})
			}
		}
	}
}

// until waits for an answer: what is scraped needs two scrapes to have a rate.
func (g *grafanaAsking) until(what string, answers func() bool) {
	g.t.Helper()
	eventually(g.t, what+" answers something", answers)
}

// labelValues are those of a variable's query, which has the form
// label_values(SELECTOR, LABEL).
func (g *grafanaAsking) labelValues(query string, values map[string][]string) []string {
	g.t.Helper()
	m := regexp.MustCompile(`^label_values\((.+), ([a-z]+)\)$`).FindStringSubmatch(query)
	if m == nil {
		g.t.Fatalf("%q is not a query of a variable", query)
	}
	selector := m[1]
	for name, list := range values {
		selector = strings.ReplaceAll(selector, "$"+name, strings.Join(list, "|"))
	}
	found, _, _, err := g.reader.LabelValues(g.t.Context(), m[2], []string{selector}, time.Now().Add(-time.Hour), time.Now())
	if err != nil {
		g.t.Fatalf("%s: %v", query, err)
	}
	out := make([]string, len(found))
	for i, v := range found {
		out[i] = string(v)
	}
	slices.Sort(out)
	return out
}

// rows are those of a statement, by the role of dashboards.
func (g *grafanaAsking) rows(statement string) []string {
	g.t.Helper()
	rows, err := g.sql.Query(g.t.Context(), statement)
	if err != nil {
		g.t.Fatalf("%s: %v", statement, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		values, err := row.Values()
		if len(values) == 1 {
			return fmt.Sprint(values[0]), err
		}
		return fmt.Sprint(values...), err
	})
	if err != nil {
		g.t.Fatalf("%s: %v", statement, err)
	}
	return list
}
