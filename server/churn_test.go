package server_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/flownode"
	"laminar/ingest"
	"laminar/ingest/refusal"
	"laminar/ingest/registry"
	"laminar/sequence/segment"
	"laminar/sequence/series"
	"laminar/server"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// churnSeries is how many new series come a day, in miniature; make month sets it.
const churnSeries = 2_000

// churnEnv, in the environment, is how many there are instead.
const churnEnv = "LAMINAR_TEST_CHURN_SERIES"

const tookADay = "seconds to take a day in"

// TestMonthOfChurn lets a month pass in which each day brings series, and a metric, that
// no other day has, and a flow over them. When raw samples are kept for three days,
// nothing grows after the first days: neither memory that is in use, nor the members of
// the flow, nor rows and bytes of the tables; and a day takes no longer to take in.
func TestMonthOfChurn(t *testing.T) {
	const days, kept, early, span = 30, 3, 8, 6 // by the eighth day all is level
	// A day in miniature takes a second, or several where other tests begin beside it.
	moreTime := 60.0
	if os.Getenv(churnEnv) != "" {
		moreTime = 5
	}
	c := newChurning(t, 0)
	var table []churnDay
	for day := range days {
		table = append(table, c.day(day, kept))
		t.Log(table[day])
	}
	// What is removed and built anew goes up and down from day to day, so the peaks of
	// six days are compared; of times, which other tests disturb, the medians.
	figure := func(from, to int, peak bool, of func(churnDay) float64) float64 {
		var list []float64
		for _, d := range table[from:to] {
			list = append(list, of(d))
		}
		slices.Sort(list)
		if peak {
			return list[len(list)-1]
		}
		return list[len(list)/2]
	}
	for _, f := range []struct {
		what   string
		of     func(churnDay) float64
		factor float64
		more   float64 // allowed beyond the factor
	}{
		{"series", func(d churnDay) float64 { return float64(d.series) }, 1.05, 0},
		{"metrics", func(d churnDay) float64 { return float64(d.metrics) }, 1.05, 0},
		{"bytes of the table series", func(d churnDay) float64 { return float64(d.tableBytes) }, 1.1, 256 << 10},
		// Panes are kept for late samples as memory allows, more or fewer.
		{"bytes in use", func(d churnDay) float64 { return float64(d.heap) }, 1.5, 4 << 20},
		{"series remembered by ingest", func(d churnDay) float64 { return float64(d.remembered) }, 1.1, 100},
		{"members of the flow", func(d churnDay) float64 { return float64(d.members) }, 1.5, 0},
		{tookADay, func(d churnDay) float64 { return d.took.Seconds() }, 2, moreTime},
	} {
		peak := f.what != tookADay
		before, after := figure(early, early+span, peak, f.of), figure(days-span, days, peak, f.of)
		t.Logf("%-28s %12.6g on days %d to %d, %12.6g on the last %d", f.what, before, early, early+span-1, after, span)
		if after > before*f.factor+f.more {
			t.Errorf("%s grew from %.6g to %.6g", f.what, before, after)
		}
	}
	if last := table[days-1]; last.series < c.perDay*kept || last.removed == 0 {
		t.Errorf("on the last day there are %d series: the test tests nothing", last.series)
	}
}

// BenchmarkSeries takes series in and tells what each costs: in ingest while it is
// remembered, and in the database when that has no dead rows. It sends series of three
// labels.
func BenchmarkSeries(b *testing.B) {
	for b.Loop() {
		c := newChurning(b, time.Hour)
		c.clock(0)
		n := max(c.perDay, 100_000)
		c.send(c.today, "stable", "s", 100)
		heap := func() float64 {
			runtime.GC()
			runtime.GC()
			var mem runtime.MemStats
			runtime.ReadMemStats(&mem)
			return float64(mem.HeapAlloc)
		}
		before := heap()
		for rest := n; rest > 0; {
			some := min(rest, 2000)
			c.send(c.today+3_600_000, "other", fmt.Sprint(rest), some)
			rest -= some
		}
		b.ReportMetric((heap()-before)/float64(n), "B/series-in-ingest")
		c.Exec("vacuum full series")
		b.ReportMetric(float64(sqltest.ScanOne[int64](c.RawDB, "select pg_total_relation_size('series')"))/float64(n), "B/series-in-the-database")
	}
}

// churnDay is where things stand at the end of a day.
type churnDay struct {
	day, series, metrics, members, remembered int
	tableBytes, heap, resident                int64
	removed                                   int64         // series, on this day
	took                                      time.Duration // to take it in
	swept                                     time.Duration // to remove
}

func (d churnDay) String() string {
	return fmt.Sprintf("day %2d: %8d series (%d removed in %s), %d metrics, %d members, %d remembered, table %.1f MB, in use %.1f MB, resident %.1f MB, taken in in %s",
		d.day, d.series, d.removed, d.swept.Round(time.Millisecond), d.metrics, d.members, d.remembered,
		float64(d.tableBytes)/1e6, float64(d.heap)/1e6, float64(d.resident)/1e6, d.took.Round(time.Millisecond))
}

// churning is an installation in one process, whose database's clock is moved.
type churning struct {
	*sqltest.RawDB
	lapsing
	perDay int
	ing    *ingest.Ingester
	table  *registry.Spellings
	reg    *prometheus.Registry
}

func newChurning(t testing.TB, idle time.Duration) *churning {
	t.Helper()
	c := &churning{RawDB: sqltest.NewRawDB(t, 2), perDay: churnSeries, reg: prometheus.NewRegistry()}
	if text := os.Getenv(churnEnv); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 24 {
			t.Fatalf("%s is %q", churnEnv, text)
		}
		c.perDay = n
	}
	c.lapsing = lapsing{t: t, store: c.Store, pool: c.Store.Pool(), today: time.Now().UnixMilli() / segment.BucketMillis * segment.BucketMillis}
	c.Apply(sqltest.Define(t, "flows: [{name: f, promql: 'sum by (job) (rate(churn[10m]))', every: 5m}]")...)
	quiet := slog.New(slog.DiscardHandler)
	var err error
	c.ing, err = ingest.New(server.IngestStore{Writer: c.Store.Writer}, ingest.Config{
		Regions: c.Store.Schema.Regions(), Logger: quiet, Registerer: c.reg, Limits: refusal.Limits{Ahead: 1000 * time.Hour},
		SeriesIdle: cmp.Or(idle, max(200*time.Millisecond, time.Duration(c.perDay)*5*time.Microsecond)), // about what six hours are here
	})
	if err != nil {
		t.Fatal(err)
	}
	c.table = c.ing.NewSpellings(nil)
	node, err := flownode.New(flownode.Config{
		Snapshots: server.NodeStore{Store: c.Store}, Catalog: c.Store.Catalogue, Results: c.Store.Results, Jobs: c.Store.Jobs,
		Elector: c.Store.Members.New(""), PollInterval: 50 * time.Millisecond, Logger: quiet, Metrics: flownode.NewMetrics(c.reg),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	for _, run := range []func(context.Context) error{c.ing.Run, node.Run} {
		go func() { ended <- run(ctx) }()
	}
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	return c
}

// day takes a day in, moves it on, and tells where things stand.
func (c *churning) day(day, kept int) churnDay {
	c.clock(day)
	d := churnDay{day: day}
	began := time.Now()
	for hour := range 24 {
		at := c.today + int64(day)*segment.BucketMillis + int64(hour)*3_600_000
		c.send(at, "stable", "s", 100)
		c.send(at, fmt.Sprintf("day_%d", day), "d", 5)
		for rest := c.perDay / 24; rest > 0; {
			n := min(rest, 2000)
			c.send(at, "churn", fmt.Sprintf("%d-%d-%d", day, hour, rest), n)
			rest -= n
		}
	}
	d.took = time.Since(began)
	c.must(func() error {
		_, err := c.Store.Keeper.Seal(c.t.Context(), raw.SealOptions{Wait: c.patience()})
		return err
	})
	c.must(func() error {
		_, err := c.Store.Retainer.GiveUp(c.t.Context(), time.Millisecond, c.today+int64(day-kept)*segment.BucketMillis)
		return err
	})
	for deadline := time.Now().Add(c.patience()); c.count("unused_table") > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatal("tables that nobody uses are still there")
		}
		c.must(func() error {
			_, err := c.Store.Keeper.DropUnused(c.t.Context())
			return err
		})
	}
	began = time.Now()
	report, err := c.remove()
	if err != nil {
		c.t.Fatal(err)
	}
	d.removed, d.swept = report.Series, time.Since(began)
	c.Exec("vacuum") // as autovacuum does within a day
	d.series, d.metrics = c.count("series"), c.count("metric")
	d.tableBytes = sqltest.ScanOne[int64](c.RawDB, "select pg_total_relation_size('series')")
	// What is idle is forgotten, and the flow has come to the end of the day.
	upTo := c.today + int64(day)*segment.BucketMillis + 23*3_600_000 // its last samples are of 23:02
	for deadline := time.Now().Add(c.patience()); sqltest.ScanOne[int64](c.RawDB, "select coalesce(max(emitted_until), 0) from flow") < upTo; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatal("the flow has not come to the end of the day")
		}
	}
	for deadline := time.Now().Add(c.patience()); c.gauge("laminar_ingest_active_series") > 200; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("%v series are remembered", c.gauge("laminar_ingest_active_series"))
		}
	}
	d.remembered, d.members = int(c.gauge("laminar_ingest_active_series")), int(c.gauge("laminar_flow_series"))
	// A round may be at work: the least of some looks is what remains, once it goes down no
	// further.
	for same := 0; same < 4; same++ {
		runtime.GC()
		runtime.GC()
		var mem runtime.MemStats
		runtime.ReadMemStats(&mem)
		if used := int64(mem.HeapAlloc); d.heap == 0 || used < d.heap {
			if used < d.heap-d.heap/100 {
				same = 0
			}
			d.heap = used
		}
		time.Sleep(20 * time.Millisecond) // between two looks: what a round uses for a moment is not kept
	}
	d.resident = residentBytes(c.t)
	return d
}

// must does what a busy server may not do at the first try.
func (c *churning) must(do func() error) {
	c.t.Helper()
	if err := sqltest.Answered(c.t.Context(), do); err != nil {
		c.t.Fatal(err)
	}
}

// send takes in two samples of each of n series of a metric.
func (c *churning) send(at int64, metric, pod string, n int) {
	in, err := c.ing.Begin(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	defer in.End()
	in.Received()
	var prev *registry.Spelling
	for i := range n {
		labels := []series.RawLabel{
			{Name: []byte("__name__"), Value: []byte(metric)}, {Name: []byte("job"), Value: fmt.Appendf(nil, "job-%d", i%20)},
			{Name: []byte("pod"), Value: fmt.Appendf(nil, "checkout-7d9f8b6c5d-%s-%d", pod, i)},
		}
		key := series.CanonicalLabels(nil, labels)
		sp, hash := c.table.Follow(prev, key)
		if sp == nil {
			var refused refusal.Reason
			if sp, refused = in.Resolve(c.table, hash, key, labels); refused != "" {
				c.t.Fatalf("a series is refused: %s", refused)
			}
		}
		v := float64(i)
		if err := in.Add(sp, []ingest.Sample{{T: at + 60_000, V: v}, {T: at + 120_000, V: v + 10}}, nil); err != nil {
			c.t.Fatal(err)
		}
		prev = sp
	}
	if out, err := in.Commit(); err != nil || out.Refused > 0 {
		c.t.Fatalf("%d samples are refused, %v %s", out.Refused, err, out.Why)
	}
}

// patience is how long a step of a day may take.
func (c *churning) patience() time.Duration {
	return 3*time.Minute + time.Duration(c.perDay)*time.Millisecond
}

// gauge is the sum of a gauge over its labels.
func (c *churning) gauge(name string) (sum float64) {
	families, err := c.reg.Gather()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// residentBytes is the process's resident memory, 0 where the system does not tell.
func residentBytes(t testing.TB) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	return 0
}
