package grafana

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

var rewrite = flag.Bool("rewrite", false, "write the dashboards anew")

// made are all dashboards, by file.
var made = map[string]func() (classic, error){
	"dashboards/laminar.json": laminar,
	"dashboards/flow.json":    flows,
}

// TestDashboards: the files are what this package makes, and Grafana's own types read
// them back.
func TestDashboards(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	for file, build := range made {
		d, err := build()
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		text, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, '\n')
		if *rewrite {
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		stored, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(stored, text) {
			t.Errorf("%s is not what is made: go test ./deploy/grafana -rewrite", file)
		}
		var read classic
		// An empty list of mistakes comes as an error, too.
		var mistakes cog.BuildErrors
		if err := read.UnmarshalJSONStrict(stored); err != nil && (!errors.As(err, &mistakes) || len(mistakes) > 0) {
			t.Errorf("%s: %v", file, err)
		}
		if err := read.Validate(); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// board is a dashboard as far as the rules read it.
type board struct {
	UID, Title, Description string
	Templating              struct{ List []variable }
	Panels                  []panel
}

type variable struct {
	Name, Type, Label, Description string
	Datasource                     struct{ UID string }
	Query                          any
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               struct{ UID string }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []struct {
		RefID, Expr, RawSQL, LegendFormat string
		Datasource                        struct{ UID string }
	}
}

// read reads the dashboards that are stored.
func read(t *testing.T) map[string]board {
	t.Helper()
	files, err := filepath.Glob("dashboards/*.json")
	if err != nil || len(files) != len(made) {
		t.Fatalf("found %v, %v; there are %d dashboards", files, err, len(made))
	}
	boards := map[string]board{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var b board
		if err := json.Unmarshal(text, &b); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		boards[file] = b
	}
	return boards
}

// TestRules: every panel says what it shows and in which unit, takes its data source from
// a variable that exists, has queries that parse and lines that are told apart, and lies
// beside the others.
func TestRules(t *testing.T) {
	uses := regexp.MustCompile(`\$\{?([a-zA-Z_]+)`)
	for file, b := range read(t) {
		if b.UID == "" || b.Title == "" || b.Description == "" {
			t.Errorf("%s: uid %q, title %q, description %q", file, b.UID, b.Title, b.Description)
		}
		known := map[string]bool{"__rate_interval": true, "__timeFrom": true, "__timeTo": true}
		requireKnown := func(where, text string) {
			for _, m := range uses.FindAllStringSubmatch(text, -1) {
				if !known[m[1]] {
					t.Errorf("%s, %s: $%s is not a variable of it", file, where, m[1])
				}
			}
		}
		for _, v := range b.Templating.List {
			if v.Type == "query" {
				requireKnown("variable "+v.Name, v.Datasource.UID)
				if v.Description == "" || !strings.HasPrefix(v.Datasource.UID, "$") {
					t.Errorf("%s, variable %s: description %q, data source %q", file, v.Name, v.Description, v.Datasource.UID)
				}
			}
			if v.Label == "" {
				t.Errorf("%s, variable %s has no label", file, v.Name)
			}
			known[v.Name] = true
		}
		numbers, taken := map[int]bool{}, map[[2]int]string{}
		for _, p := range b.Panels {
			if numbers[p.ID] || p.ID == 0 {
				t.Errorf("%s, %s: the number %d is taken", file, p.Title, p.ID)
			}
			numbers[p.ID] = true
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
						t.Errorf("%s, %s lies over %q or outside", file, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			if p.Type == "row" {
				continue
			}
			if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || !strings.HasPrefix(p.Datasource.UID, "$") || len(p.Targets) == 0 {
				t.Errorf("%s, %q: description %q, unit %q, data source %q, %d queries", file, p.Title, p.Description, p.FieldConfig.Defaults.Unit, p.Datasource.UID, len(p.Targets))
			}
			var legends []string
			for _, q := range p.Targets {
				requireKnown(p.Title, q.Expr+q.RawSQL+q.Datasource.UID)
				if q.Datasource.UID != p.Datasource.UID || (q.Expr == "") == (q.RawSQL == "") {
					t.Errorf("%s, %s, %s: data source %q, expression %q, statement %q", file, p.Title, q.RefID, q.Datasource.UID, q.Expr, q.RawSQL)
				}
				if q.Expr != "" {
					expr := strings.NewReplacer("$__rate_interval", "5m", "\"$flow\"", `"f"`, "$", "").Replace(q.Expr)
					if _, err := parser.NewParser(parser.Options{}).ParseExpr(expr); err != nil {
						t.Errorf("%s, %s: %v", file, p.Title, err)
					}
				}
				if p.Type == "timeseries" && (q.LegendFormat == "" || slices.Contains(legends, q.LegendFormat)) {
					t.Errorf("%s, %s: the legend %q is empty or there twice", file, p.Title, q.LegendFormat)
				}
				legends = append(legends, q.LegendFormat)
			}
		}
	}
}

// TestProvisioning: what docker-compose.yml mounts is there, the provider of dashboards
// looks where they are mounted, and the data sources go where the services are.
func TestProvisioning(t *testing.T) {
	var compose struct {
		Services map[string]struct {
			Image   string
			Volumes []string
		}
	}
	readYAML(t, "../../docker-compose.yml", &compose)
	at := map[string]string{} // where a path of the repository is in the container
	for name, service := range compose.Services {
		for _, v := range service.Volumes {
			from, to, _ := strings.Cut(v, ":")
			if strings.HasPrefix(from, "./") {
				if _, err := os.Stat(filepath.Join("../..", from)); err != nil {
					t.Errorf("service %s mounts %v", name, err)
				}
			}
			if name == "grafana" {
				to, _, _ = strings.Cut(to, ":")
				at[from] = to
			}
		}
	}
	if at["./deploy/grafana/provisioning"] != "/etc/grafana/provisioning" {
		t.Errorf("Grafana mounts %v, and looks for provisioning in /etc/grafana/provisioning", at)
	}
	var providers struct {
		Providers []struct {
			Type    string
			Options struct{ Path string }
		}
	}
	readYAML(t, "provisioning/dashboards/laminar.yml", &providers)
	if len(providers.Providers) != 1 || providers.Providers[0].Type != "file" || providers.Providers[0].Options.Path != at["./deploy/grafana/dashboards"] {
		t.Errorf("the provider is %+v, dashboards are mounted at %q", providers.Providers, at["./deploy/grafana/dashboards"])
	}
	var found struct {
		Datasources []struct{ Name, Type, URL string }
	}
	readYAML(t, "provisioning/datasources/laminar.yml", &found)
	var kinds []string
	for _, d := range found.Datasources {
		kinds = append(kinds, d.Type)
		host, _, _ := strings.Cut(strings.TrimPrefix(d.URL, "http://"), ":")
		if _, ok := compose.Services[host]; !ok {
			t.Errorf("the data source %s is at %s, which is no service", d.Name, d.URL)
		}
	}
	// The variables for data sources offer those of these types.
	for file, b := range read(t) {
		for _, v := range b.Templating.List {
			if kind, _ := v.Query.(string); v.Type == "datasource" && !slices.Contains(kinds, kind) {
				t.Errorf("%s: no data source of the type %q is provisioned", file, kind)
			}
		}
	}
}

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
