package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"laminar/cmd/fleet"
	"laminar/cmd/laminar/internal/laminartest"
	"laminar/flownode/partial/partialtest"
)

// TestPrometheusAsWitness loads the rule files of testdata/rules, of the shapes of the
// public mixins, into a stock Prometheus and into Laminar, and sends both the same
// samples by remote write. What the rules record must be the same at every evaluation.
//
// A Prometheus evaluates in real time, so all durations are made seconds, and a group at
// times of its own, so groups get names that make these the whole seconds. It is sent the
// samples ahead, so that at each evaluation everything is there. Sample times and
// ranges do not meet, because Prometheus 2 also counts a sample at the very beginning of
// a range.
//
// A busy machine makes Prometheus miss evaluations. Where that leaves too little to compare
// it is done again, with other processes.
func TestPrometheusAsWitness(t *testing.T) {
	const times, enough = 4, 100
	for i := range times {
		compared := 0
		if !t.Run(fmt.Sprint("time ", i+1), func(t *testing.T) { compared = compareWithWitness(t) }) || compared >= enough {
			return
		}
		t.Logf("only %d rows could be compared", compared)
	}
	t.Errorf("fewer than %d rows could be compared, %d times", enough, times)
}

// compareWithWitness returns how many rows were compared.
func compareWithWitness(t *testing.T) (compared int) {
	t.Helper()
	dir := t.TempDir()
	records, evaluated := witnessRules(t, dir)
	prometheus := laminartest.FreeAddr(t)
	config := filepath.Join(dir, "prometheus.yml")
	configure := func(files string) {
		writeFile(t, config, "global: {evaluation_interval: 2s}\nrule_files: ["+files+"]\n")
	}
	configure("")
	startSender(t, "prometheus", "http://"+prometheus+"/-/ready", "--config.file="+config, "--storage.tsdb.path="+t.TempDir(),
		"--web.listen-address="+prometheus, "--web.enable-remote-write-receiver", "--web.enable-lifecycle")
	in := laminartest.New(t, "--flows", filepath.Join(dir, "*.rules.yml"))
	in.Serve()

	const seconds, delay = 40, 10 // a window closes so long after its end
	begin := time.Now().Truncate(2 * time.Second)
	series, points := witnessSamples(begin, seconds+delay+2)
	slices.SortStableFunc(points, func(a, b fleet.Point) int { return int(a.T - b.T) })
	post := func(to string, points []fleet.Point) {
		t.Helper()
		var body []byte
		if len(points) > 0 {
			var err error
			if body, err = fleet.Encode(series, points); err != nil {
				t.Fatal(err)
			}
		}
		resp, err := http.Post(to, "application/x-protobuf", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if _ = resp.Body.Close(); resp.StatusCode/100 != 2 {
			t.Fatalf("%s answers %s", to, resp.Status)
		}
	}
	post("http://"+prometheus+"/api/v1/write", points)
	configure(fmt.Sprintf("%q", filepath.Join(dir, "*.rules.yml")))
	post("http://"+prometheus+"/-/reload", nil)

	from, until := begin.Add(24*time.Second).UnixMilli(), begin.Add(seconds*time.Second).UnixMilli()
	pool := in.Pool()
	eventually(t, "Laminar has closed all windows and Prometheus has evaluated them", func() bool {
		now, _ := slices.BinarySearchFunc(points, time.Now().UnixMilli(), func(p fleet.Point, t int64) int { return int(p.T - t) })
		if now > 0 {
			post(in.WriteURL(), points[:now])
			points = points[now:]
		}
		for _, record := range evaluated {
			if times := timesOf(recorded(t, prometheus, record, time.Now().UnixMilli())); len(times) == 0 || times[len(times)-1] < until {
				return false
			}
		}
		return count(t, pool, "select count(*) from laminar.flow where emitted_until is null or emitted_until < $1", until) == 0
	})
	in.Must("flow", "wait", "--timeout", "4m") // some of these windows may have to be computed again

	// The first evaluations of a group know less of the past than Laminar, which has begun with
	// the samples: rules read results of up to 20 seconds before. An evaluation that a busy
	// machine has missed is missed by what reads its results.
	all := func(addr, record string) samples { return recorded(t, addr, record, until) }
	for _, record := range evaluated {
		times := timesOf(all(prometheus, record))
		if len(times) == 0 {
			return 0
		}
		from = max(from, times[0]+20_000)
		for at := times[0]; at <= until; at += 2000 {
			if !slices.Contains(times, at) {
				until = at - 2000
			}
		}
	}
	for _, record := range records {
		got, want := all(in.Addr, record), all(prometheus, record)
		n := 0
		for key, of := range want {
			for at, v := range of {
				if at < from || at > until {
					continue
				}
				n++
				if g, ok := got[key][at]; !ok || !partialtest.Close(g, v, 1e-9*max(1, math.Abs(v))) {
					t.Errorf("%s at %+.3f s: %v (there: %v), Prometheus has %v", key, float64(at-begin.UnixMilli())/1000, g, ok, v)
				}
			}
		}
		for key, of := range got {
			for at, v := range of {
				if _, ok := want[key][at]; !ok && at >= from && at <= until {
					t.Errorf("%s at %+.3f s: %v, Prometheus has nothing", key, float64(at-begin.UnixMilli())/1000, v)
				}
			}
		}
		if n == 0 && until-from > 10_000 {
			t.Errorf("nothing of %s was compared", record)
		}
		compared += n
	}
	t.Logf("%d rows of %d records, of %d evaluations", compared, len(records), (until-from)/2000+1)
	return compared
}

// recorded is what a server has of a record up to a time, in ms.
func recorded(t *testing.T, addr, record string, until int64) samples {
	t.Helper()
	query := url.Values{"query": {fmt.Sprintf("{__name__=%q}[1h]", record)}, "time": {strconv.FormatFloat(float64(until)/1000, 'f', 3, 64)}}
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if body := get(t, "http://"+addr+"/api/v1/query?"+query.Encode()); json.Unmarshal(body, &answer) != nil {
		t.Fatalf("%s answers %.300s", addr, body)
	}
	out := samples{}
	for _, s := range answer.Data.Result {
		for _, pair := range s.Values {
			v, err := strconv.ParseFloat(pair[1].(string), 64)
			if err != nil {
				t.Fatal(err)
			}
			out.add(seriesKey("", s.Metric), int64(math.Round(pair[0].(float64)*1000)), v)
		}
	}
	return out
}

// timesOf is the times at which there is a sample.
func timesOf(all samples) []int64 {
	var out []int64
	for _, of := range all {
		for at := range of {
			out = append(out, at)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// shorter is what the durations of the rule files become.
var shorter = strings.NewReplacer("[5m]", "[9s]", "[30m]", "[13s]", "[1h]", "[15s]", "[6h]", "[17s]", "[1d]", "[19s]", "[30d]", "[19s]", "offset 5m", "offset 3s",
	"[30s:1s]", "[9500ms:1s]", "offset 25s", "offset 1500ms")

// witnessRules writes the rule files anew, each with all of its rules in one group, since
// groups that read each other are evaluated at the same time in no order. It returns the
// names of the records, and of what the last rule of each group records: that all rules
// before it were evaluated.
func witnessRules(t *testing.T, dir string) (records, evaluated []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "testdata", "rules", "*.y*ml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no rule files", err)
	}
	for _, file := range files {
		if filepath.Base(file) == "totals.yml" {
			continue // running totals depend on when they began
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var rules []map[string]any
		for doc := yaml.NewDecoder(strings.NewReader(shorter.Replace(string(text)))); ; {
			type groups struct {
				Groups []struct{ Rules []map[string]any }
			}
			var found struct {
				groups `yaml:",inline"`
				Spec   groups
			}
			if doc.Decode(&found) != nil {
				break
			}
			for _, g := range append(found.Groups, found.Spec.Groups...) {
				for _, r := range g.Rules {
					if name, ok := r["record"].(string); ok {
						rules, records = append(rules, r), append(records, name)
					}
				}
			}
		}
		base := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		evaluated = append(evaluated, "evaluated:"+base)
		rules = append(rules, map[string]any{"record": "evaluated:" + base, "expr": "vector(1)"})
		name := filepath.Join(dir, base+".rules.yml")
		out, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": wholeSeconds(name), "interval": "2s", "rules": rules}}})
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, name, string(out))
	}
	slices.Sort(records)
	return slices.Compact(records), evaluated
}

// wholeSeconds is a name for a group of the file that Prometheus evaluates within the
// first millisecond of every second second: which part of an interval it chooses follows
// from a hash of both names.
func wholeSeconds(file string) string {
	for i := 0; ; i++ {
		name := fmt.Sprintf("g%d", i)
		if h := xxhash.Sum64String("file\xff" + file + "\xffname\xff" + name + "\xff"); h%uint64(2*time.Second) < uint64(time.Millisecond) {
			return name
		}
	}
}

// witnessSamples is series of all metrics that the rule files read, from a minute before
// begin, a sample a second. Some series end, others begin.
func witnessSamples(begin time.Time, seconds int) (series [][]fleet.Label, points []fleet.Point) {
	counter := regexp.MustCompile(`_(total|bucket)$`)
	for i, text := range []string{
		`node_free_bytes{cluster="%[1]s",node="n%[1]s"}`, `node_cache_bytes{cluster="%[1]s",node="n%[1]s"}`, `node_total_bytes{cluster="%[1]s",node="n%[1]s"}`,
		`container_cpu_seconds_total{cluster="c",namespace="ns",pod="p%[1]s",container="k",image="i"}`, `pod_info{cluster="c",namespace="ns",pod="p%[1]s",node="n1"}`,
		`pod_requests{namespace="ns",pod="p%[1]s",container="k",resource="memory"}`, `pod_phase{namespace="ns",pod="p%[1]s",phase="Running",instance="x"}`,
		`pod_phase{namespace="ns",pod="p%[1]s",phase="Failed",instance="x"}`, `node_load1{instance="i%[1]s"}`, `node_unschedulable{instance="i%[1]s"}`,
		`instance_busy_ratio{instance="i%[1]s"}`, `cpu_info{instance="i%[1]s",model="m"}`, `request_duration_seconds_bucket{le="0.%[1]s",job="web"}`,
		`request_duration_seconds_bucket{le="+Inf",job="web",instance="i%[1]s"}`, `up{job="node",instance="i%[1]s"}`, `node_cpu_seconds_total{instance="i%[1]s",cpu="0",mode="idle"}`,
		`node_filesystem_free_bytes{instance="i%[1]s",device="d",fstype="ext4"}`, `node_filesystem_size_bytes{instance="i%[1]s",device="d",fstype="ext4"}`,
		`api_requests_total{verb="LIST",code="20%[1]s"}`, `api_requests_total{verb="GET",code="50%[1]s"}`, `api_requests_total{verb="GET",code="20%[1]s"}`,
		`api_requests_total{verb="POST",code="50%[1]s"}`, `api_requests_total{verb="POST",code="20%[1]s"}`, `api_requests_total{verb="LIST",code="50%[1]s"}`,
		`pod_owner{namespace="ns",pod="d%[1]s",owner_kind="DaemonSet",owner_name="o"}`, `pod_owner{namespace="ns",pod="s%[1]s",owner_kind="StatefulSet",owner_name="o"}`,
		`pod_owner{namespace="ns",pod="j%[1]s",owner_kind="Job",owner_name="o"}`, `requests_total{job="web",code="20%[1]s"}`, `requests_total{job="web",code="50%[1]s"}`,
		`node_cores{zone="z%[1]s",node="a%[1]s"}`, `node_cores{zone="z1",node="b%[1]s"}`, `node_cordoned{node="b%[1]s"}`,
	} {
		for k := range 3 {
			lset := seriesOf(fmt.Sprintf(text, strconv.Itoa(k+1)))
			series = append(series, lset)
			isCounter := counter.MatchString(lset[0].Value)
			for s := -60; s < seconds; s++ {
				if k == 1 && (s+i)%40 >= 30 {
					continue // it is not always there
				}
				if s < 14 && lset[0].Value == "node_cores" {
					continue // totals of it begin when both evaluate
				}
				v := float64((s+60)*(k+1)%(13+i) + 1)
				if isCounter {
					v = float64((s + 60) * (k + i + 1))
				}
				// 10 bits of a second: exact in both, and no range begins there.
				points = append(points, fleet.Point{Series: len(series) - 1, T: begin.Add(time.Duration(s)*time.Second + 250*time.Millisecond).UnixMilli(), V: v})
			}
		}
	}
	return series, points
}

// seriesOf reads a selector of one series; the name comes first.
func seriesOf(text string) []fleet.Label {
	name, rest, _ := strings.Cut(strings.TrimSuffix(text, "}"), "{")
	out := []fleet.Label{{Name: model.MetricNameLabel, Value: name}}
	for _, pair := range strings.Split(rest, ",") {
		k, v, _ := strings.Cut(pair, "=")
		out = append(out, fleet.Label{Name: k, Value: strings.Trim(v, `"`)})
	}
	slices.SortFunc(out, func(a, b fleet.Label) int { return strings.Compare(a.Name, b.Name) })
	return out
}
