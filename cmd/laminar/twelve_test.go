package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/prometheus/model/labels"

	"laminar/cmd/laminar/fleet"
	"laminar/flownode/flowdef"
	"laminar/flownode/promeval"
)

// delivered is what a fleet's receiver must hold: every point that was
// acknowledged, the last one to be sent winning.
type delivered struct {
	series  [][]fleet.Label
	samples []map[int64]float64
}

func newDelivered(series [][]fleet.Label) *delivered {
	d := &delivered{series: series, samples: make([]map[int64]float64, len(series))}
	for i := range d.samples {
		d.samples[i] = map[int64]float64{}
	}
	return d
}

func (d *delivered) add(points []fleet.Point) {
	for _, p := range points {
		d.samples[p.Series][p.T] = p.V
	}
}

// clone is what was delivered so far.
func (d *delivered) clone() *delivered {
	c := &delivered{series: d.series}
	for _, s := range d.samples {
		c.samples = append(c.samples, maps.Clone(s))
	}
	return c
}

func (d *delivered) count() (n int) {
	for _, s := range d.samples {
		n += len(s)
	}
	return n
}

// engineSamples is what was delivered, as Prometheus's engine wants it.
func (d *delivered) engineSamples() promeval.Samples {
	var out promeval.Samples
	for i, points := range d.samples {
		b := labels.NewScratchBuilder(8)
		for _, l := range d.series[i] {
			b.Add(l.Name, l.Value)
		}
		b.Sort()
		s := promeval.Series{Labels: b.Labels()}
		for t := range points {
			s.Times = append(s.Times, t)
		}
		slices.Sort(s.Times)
		for _, t := range s.Times {
			s.Values = append(s.Values, points[t])
		}
		if len(s.Times) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// TestTwelveFlows sends an hour of a fleet's samples, with late, repeated and
// overwritten ones among them, while Laminar is killed five times and sealed
// by force twice. Then every closed window of twelve flows must be what
// Prometheus's engine computes from what was acknowledged.
func TestTwelveFlows(t *testing.T) {
	const definitions = "../../testdata/flows/twelve.yml"
	in := newInstallation(t, "--flows", definitions)
	in.serve()

	opts := fleet.DefaultOptions()
	opts.Interval = 5 * time.Second
	f := fleet.New(opts)
	sent := newDelivered(f.Series())
	client, err := fleet.NewClient("http://"+in.addr+"/api/v1/write", 1, 500, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()

	scrapes := int(time.Hour / opts.Interval)
	start := time.Now().Add(-time.Hour).Truncate(opts.Interval)
	rng := rand.New(rand.NewPCG(7, 7))
	var points []fleet.Point
	for i := 1; i <= scrapes; i++ {
		points = f.Scrape(points[:0], start.Add(time.Duration(i)*opts.Interval))
		if i == scrapes {
			points = append(points, f.Pending()...)
		}
		crashed := make(chan struct{})
		switch i {
		case scrapes / 6, scrapes / 3, scrapes / 2, scrapes * 2 / 3, scrapes * 5 / 6:
			// In the middle of sending: a little later than now.
			delay := time.Duration(rng.IntN(20)) * time.Millisecond
			all := i == scrapes/2
			time.AfterFunc(delay, func() {
				defer close(crashed)
				if all {
					in.killAll()
				} else {
					in.kill()
				}
				in.serve()
			})
		case scrapes / 4, scrapes * 3 / 4:
			in.must("seal", "--force")
			close(crashed)
		default:
			close(crashed)
		}
		if err := client.Send(ctx, f.Series(), points); err != nil {
			t.Fatalf("scrape %d: %v", i, err)
		}
		sent.add(points)
		<-crashed
	}
	in.must("flow", "wait", "--timeout", "2m")

	pool := in.pool()
	requireRaw(t, pool, sent)
	flows := parseFlows(t, definitions)
	windows := requireTables(t, pool, flows, sent.engineSamples(), start.UnixMilli())
	t.Logf("%d windows of %d flows equal the engine over %d samples", windows, len(flows), sent.count())
	if windows < 12*10 {
		t.Errorf("only %d windows were compared", windows)
	}
}

// requireRaw checks that laminar.sample holds exactly what was delivered.
func requireRaw(t *testing.T, pool *pgxpool.Pool, want *delivered) {
	t.Helper()
	index := map[string]int{}
	for i, set := range want.series {
		index[labelKey(set)] = i
	}
	rows, err := pool.Query(t.Context(), `select labels::text, (extract(epoch from ts) * 1000)::bigint, value from laminar.sample
		where metric like 'http\_%' or metric like 'node\_%' or metric like 'app\_%' or metric like 'process\_%'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found, wrong := 0, 0
	byDoc := map[string]int{} // -1: not one of ours
	for rows.Next() {
		var doc string
		var ts int64
		var v *float64
		if err := rows.Scan(&doc, &ts, &v); err != nil {
			t.Fatal(err)
		}
		i, known := byDoc[doc]
		if !known {
			var set map[string]string
			if err := json.Unmarshal([]byte(doc), &set); err != nil {
				t.Fatal(err)
			}
			var list []fleet.Label
			for name, value := range set {
				list = append(list, fleet.Label{Name: name, Value: value})
			}
			i = -1
			if at, ok := index[labelKey(list)]; ok {
				i = at
			}
			byDoc[doc] = i
		}
		if i < 0 {
			continue
		}
		found++
		if expect, ok := want.samples[i][ts]; !ok || v == nil || *v != expect {
			if wrong++; wrong <= 5 {
				t.Errorf("%s at %d: stored %v, sent %v (%v)", doc, ts, v, expect, ok)
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if found != want.count() || wrong > 0 {
		t.Fatalf("%d samples stored, %d of them wrong; %d were delivered", found, wrong, want.count())
	}
}

func labelKey(set []fleet.Label) string {
	parts := make([]string, len(set))
	for i, l := range set {
		parts[i] = l.Name + "=" + l.Value
	}
	slices.Sort(parts)
	return strings.Join(parts, "\x00")
}

// requireTables compares all closed windows of the flows with the engine, from
// the first that can hold a sample, and returns how many there were.
func requireTables(t *testing.T, pool *pgxpool.Pool, flows []flowdef.Flow, samples promeval.Samples, from int64) (windows int) {
	t.Helper()
	engine := promeval.New()
	for _, f := range flows {
		var emitted int64
		if err := pool.QueryRow(t.Context(), "select emitted_until from laminar.flow where name = $1", f.Name).Scan(&emitted); err != nil {
			t.Fatalf("flow %s: %v", f.Name, err)
		}
		stored, err := storedRows(t.Context(), pool, f)
		if err != nil {
			t.Fatalf("flow %s: %v", f.Name, err)
		}
		first := from - from%f.Every
		vectors, err := engine.WholeRange(t.Context(), f.PromQL, samples, first, emitted, f.Every)
		if err != nil {
			t.Fatalf("flow %s: %v", f.Name, err)
		}
		layout := flowdef.NewLayout(f)
		bad := 0
		for i, vec := range vectors {
			end := first + int64(i)*f.Every
			windows++
			got := stored[end]
			for _, s := range vec {
				if s.Histogram != nil {
					continue // has no place in a table
				}
				key := strings.Join(layout.Row(s.Metric), "\xff")
				v, ok := got[key]
				delete(got, key)
				if (!ok || !near(v, s.Value)) && bad < 5 {
					bad++
					t.Errorf("%s, window ending %s, %q: stored %v (%v), the engine says %v", f.Name, time.UnixMilli(end).UTC(), key, v, ok, s.Value)
				}
			}
			if len(got) > 0 && bad < 5 {
				bad++
				t.Errorf("%s, window ending %s: the engine does not know %v", f.Name, time.UnixMilli(end).UTC(), got)
			}
		}
	}
	return windows
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// storedRows reads a result table: window end (ms) -> label columns -> value.
func storedRows(ctx context.Context, db querier, f flowdef.Flow) (map[int64]map[string]float64, error) {
	layout := flowdef.NewLayout(f)
	cols := make([]string, len(layout.Names))
	for i, name := range layout.Names {
		cols[i] = pgx.Identifier{name}.Sanitize() + "::text"
	}
	cols = append(cols, "(extract(epoch from window_end) * 1000)::bigint", "value")
	rows, err := db.Query(ctx, fmt.Sprintf("select %s from %s", strings.Join(cols, ", "), pgx.Identifier{"flow", f.Table}.Sanitize()))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[int64]map[string]float64{}
	for rows.Next() {
		vals, err := rows.Values()
		if err != nil {
			return nil, err
		}
		n := len(layout.Names)
		texts := make([]string, n)
		for i := range texts {
			if texts[i], err = rowText(vals[i], layout.PerLabel); err != nil {
				return nil, err
			}
		}
		end, value := vals[n].(int64), vals[n+1].(float64)
		if out[end] == nil {
			out[end] = map[string]float64{}
		}
		out[end][strings.Join(texts, "\xff")] = value
	}
	return out, rows.Err()
}

// rowText is a label column as flowdef spells it: jsonb prints with spaces.
func rowText(v any, perLabel bool) (string, error) {
	text, ok := v.(string)
	if !ok {
		return "", errors.New("label column is not text")
	}
	if perLabel {
		return text, nil
	}
	var set map[string]string
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		return "", err
	}
	return flowdef.GroupKey(labels.FromMap(set)), nil
}

// near is the design's bound, for sums of a few hundred terms of any size:
// relative to the value, or to what terms that cancel out may leave.
func near(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-9*math.Max(math.Abs(b), 100)
}

// TestRefillBesideLiveRounds asks for refills of all flows over and over while
// samples arrive, late ones among them: a refill must neither overwrite newer
// values nor merge anything twice. The database aggregates what it can.
func TestRefillBesideLiveRounds(t *testing.T) {
	const definitions = "../../testdata/flows/twelve.yml"
	in := newInstallation(t, "--flows", definitions, "--flownode-executor", "pushdown")
	in.serve()
	flows := parseFlows(t, definitions)

	opts := fleet.DefaultOptions()
	f := fleet.New(opts)
	sent := newDelivered(f.Series())
	client, err := fleet.NewClient("http://"+in.addr+"/api/v1/write", 1, 500, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()

	const scrapes = 360 // half an hour
	start := time.Now().Add(-scrapes * opts.Interval).Truncate(opts.Interval)
	refilling := make(chan error, 1)
	stop := make(chan struct{})
	var points []fleet.Point
	for i := 1; i <= scrapes; i++ {
		points = f.Scrape(points[:0], start.Add(time.Duration(i)*opts.Interval))
		if i == scrapes {
			points = append(points, f.Pending()...)
		}
		if i == scrapes/3 {
			go func() { refilling <- refillAll(in, flows, stop) }()
		}
		if err := client.Send(ctx, f.Series(), points); err != nil {
			t.Fatalf("scrape %d: %v", i, err)
		}
		sent.add(points)
	}
	close(stop)
	if err := <-refilling; err != nil {
		t.Fatal(err)
	}
	in.must("flow", "wait", "--timeout", "2m")
	pool := in.pool()
	var unfinished int
	if err := pool.QueryRow(ctx, "select count(*) from laminar.job where state <> 'done'").Scan(&unfinished); err != nil || unfinished > 0 {
		t.Errorf("%d refill jobs are not done (%v)", unfinished, err)
	}
	requireTables(t, pool, flows, sent.engineSamples(), start.UnixMilli())
}

// refillAll refills every flow, waiting for each, until stop is closed; at
// least once.
func refillAll(in *installation, flows []flowdef.Flow, stop <-chan struct{}) error {
	for {
		for _, f := range flows {
			if out, err := in.run("refill", f.Name, "--from", "-40m", "--to", "now"); err != nil {
				return fmt.Errorf("refill %s: %w\n%s", f.Name, err, out)
			}
		}
		select {
		case <-stop:
			return nil
		default:
		}
	}
}

func parseFlows(t *testing.T, path string) []flowdef.Flow {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flows, problems := flowdef.Parse(path, data)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return flows
}
