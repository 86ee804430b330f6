package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
	"laminar/server/view"
)

// TestExamples does what a reader of the documents does: every definition of
// docs/definitions.md is applied to one installation, files of other programs through
// `flow import`, with the rules of relabelling of docs/operating.md. Samples of what they
// select are sent, so that every table has rows, with the columns that the document says;
// `laminar verify` finds no difference. Then every SELECT of the documents is run.
func TestExamples(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var config string
	for _, b := range documentBlocks(t, "operating.md") {
		if strings.HasPrefix(b.text, "# laminar.yaml\ningest:\n") {
			config = b.text
		}
	}
	in := laminartest.New(t, "--config", write("laminar.yaml", config))
	in.Serve()
	var flows []flowdef.Flow
	columns := map[string]string{} // by table, as the document has them
	for _, b := range documentBlocks(t, "definitions.md") {
		file := fmt.Sprintf("line%d.yaml", b.line)
		switch b.info {
		case "yaml import":
			path := write(file, b.text)
			out, err := in.Command("flow", "import", path).Output()
			if laminartest.ExitCode(err) > 1 { // some of it is refused
				t.Fatalf("line %d: %v", b.line, err)
			}
			if strings.HasPrefix(string(out), "flows:") || strings.HasPrefix(string(out), "#") {
				path = write("imported"+file, string(out))
			}
			in.Must("flow", "apply", "-f", path)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			flows = append(flows, parsed(t, file, string(data))...)
		case "yaml":
			in.Must("flow", "apply", "-f", write(file, b.text))
			flows = append(flows, parsed(t, file, b.text)...)
		case "text":
			for _, m := range regexp.MustCompile(`(?m)^flow\.(\w+) \((.*)\)$`).FindAllStringSubmatch(b.text, -1) {
				columns[m[1]] = m[2]
			}
		}
	}
	begin := time.Now().Truncate(time.Hour).Add(-4 * time.Hour)
	send := exampleSender(t, in, flows)
	for at := begin; at.Before(time.Now()); at = at.Add(10 * time.Minute) {
		send(at, min(10*time.Minute, time.Since(at)))
	}
	var names []string // of flows that catch up by themselves
	for _, f := range flows {
		if f.Trigger.Interval > 0 {
			names = append(names, f.Title())
		}
	}
	slices.Sort(names)
	in.Must(append([]string{"flow", "wait", "--timeout", "4m"}, slices.Compact(names)...)...)

	// A sample that comes too late is in the views beside the table.
	send(begin.Add(100*time.Minute+7*time.Millisecond), time.Second)
	laminartest.Until(t, patience, "what came too late is beside the table", func() bool {
		return in.PSQL("-At", "-c", "select count(*) > 0 from flow.orders_amount_late") == "t\n"
	})
	in.Must(append([]string{"flow", "wait", "--timeout", "4m"}, slices.Compact(names)...)...)

	pool := in.Pool()
	for _, f := range flows {
		if f.Trigger.Cron != "" {
			continue // it may be that no round of it was due
		}
		laminartest.Until(t, patience, "flow."+f.Table+" has rows", func() bool { return count(t, pool, "select count(*) from flow."+f.Table) > 0 })
		var got []string
		rows, err := pool.Query(t.Context(), "select column_name from information_schema.columns where (table_schema, table_name) = ('flow', $1) order by ordinal_position", f.Table)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				t.Fatal(err)
			}
			if name != "histogram" {
				got = append(got, name)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if want, ok := columns[f.Table]; !ok || strings.Join(got, ", ") != want {
			t.Errorf("flow.%s has the columns %v, the document says %q", f.Table, got, want)
		}
	}
	if out, err := in.Run("verify"); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
	var list []view.Flow
	decode(t, in.Must("flow", "list", "--output", "json"), &list)
	for _, f := range list {
		if f.State != view.OK && f.State != view.Empty {
			t.Errorf("%s is %s: %s", f.Flow, f.State, f.Error)
		}
	}

	// Windows [start, end) of bare lists.
	if got := in.PSQL("-At", "-c", "select distinct window_end - window_start, extract(epoch from window_end)::int % 120 from flow.bucket_samples"); got != "00:02:00.001|0\n" {
		t.Errorf("windows of a bare list are %q", got)
	}
	if n := count(t, pool, "select count(*) from laminar.series where labels->>'deployment' = 'web'"); n == 0 {
		t.Error("no series was relabelled")
	}
	ran := 0
	for _, doc := range []string{"alerts.md", "definitions.md", "operating.md", "reading.md", "storage.md"} {
		for _, b := range documentBlocks(t, doc) {
			if b.info != "sql" || strings.HasPrefix(b.text, "update") {
				continue
			}
			ran++
			if out := in.PSQL("-At", "-c", b.text); strings.TrimSpace(out) == "" && strings.Contains(b.text, "from flow.") {
				t.Errorf("docs/%s, line %d: no row", doc, b.line)
			}
		}
	}
	if ran < 7 || len(flows) < 40 {
		t.Errorf("only %d flows and %d queries are tried", len(flows), ran)
	}
	if got := in.PSQL("-At", "-c", "select count(*) from flow.orders_amount_merged where late is not null"); got == "0\n" {
		t.Error("no late sample is joined to its row")
	}
}

// documentBlock is a fenced block of a document.
type documentBlock struct {
	info, text string
	line       int
}

// documentBlocks lists those of a document in docs.
func documentBlocks(t *testing.T, name string) (out []documentBlock) {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join("../../../docs", name))
	if err != nil {
		t.Fatal(err)
	}
	var open *documentBlock
	n := 0
	for line := range strings.Lines(string(doc)) {
		n++
		switch info, fence := strings.CutPrefix(strings.TrimRight(line, "\n"), "```"); {
		case fence && open == nil:
			open = &documentBlock{info: info, line: n}
		case fence:
			out, open = append(out, *open), nil
		case open != nil:
			open.text += line
		}
	}
	return out
}

// parsed is the flows of a file.
func parsed(t *testing.T, file, text string) []flowdef.Flow {
	t.Helper()
	flows, problems := flowfile.Parse(file, []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return flows
}

// exampleSender returns what sends, every 30 s of a stretch of time, samples of the metrics
// that the flows select: of each six series, with a value for every label that the flows
// know. Of latency_seconds every second series is a native histogram; those who send what
// sessions are made of pause for a quarter of an hour in each two.
func exampleSender(t *testing.T, in *laminartest.Installation, flows []flowdef.Flow) func(from time.Time, length time.Duration) {
	t.Helper()
	metrics := map[string]bool{} // whether it makes sessions
	for _, f := range flows {
		for i := range f.Expr.Leaves {
			for _, name := range f.Expr.Leaves[i].Names() {
				metrics[name] = metrics[name] || f.Session != nil
			}
		}
	}
	for _, f := range flows {
		delete(metrics, f.Name)
	}
	names := slices.Sorted(maps.Keys(metrics))
	return func(from time.Time, length time.Duration) {
		t.Helper()
		var req prompb.WriteRequest
		for m, name := range names {
			for i := range 6 {
				two, six := fmt.Sprint(i%2), fmt.Sprint(i)
				set := map[string]string{
					"__name__": name, "job": []string{"web", "api"}[i%2], "instance": six, "code": []string{"200", "503"}[i/2%2], "stack": two,
					"service": "x", "site": two, "region": two, "cluster": two, "product": six, "customer": two, "user": six, "shop": two,
					"pod": "web-7f9c-" + six, "namespace": "web", "zone": two, "device": six,
				}
				if strings.HasSuffix(name, "_bucket") {
					set["le"] = []string{"0.1", "1", "+Inf"}[i/2]
				}
				ts := prompb.TimeSeries{}
				for _, l := range slices.Sorted(maps.Keys(set)) {
					ts.Labels = append(ts.Labels, prompb.Label{Name: l, Value: set[l]})
				}
				for at := from; at.Before(from.Add(length)); at = at.Add(30 * time.Second) {
					step := at.Unix() / 30
					switch v := 25 + 5*math.Sin(float64(step)/20+float64(m+i)); {
					case metrics[name] && step%240 < 30:
						continue
					case name == "latency_seconds" && i%2 == 0:
						ts.Histograms = append(ts.Histograms, prompb.FromFloatHistogram(at.UnixMilli(), tsdbutil.GenerateTestFloatHistogram(step%1_000_000)))
						continue
					case strings.HasSuffix(name, "_total") || strings.HasSuffix(name, "_bucket"):
						v = float64(step%1_000_000) * float64(1+i/2)
						ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: at.UnixMilli(), Value: v})
					default:
						ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: at.UnixMilli(), Value: v})
					}
				}
				req.Timeseries = append(req.Timeseries, ts)
			}
		}
		raw, err := req.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(in.WriteURL(), "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, raw)))
		if err != nil {
			t.Fatal(err)
		}
		text := readAll(t, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			t.Fatalf("answered %s: %s", resp.Status, text)
		}
	}
}
