package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"laminar/cmd/fleet"
	"laminar/cmd/laminar/internal/laminartest"
)

// chainOfFour has one row per window and job in each table, and the rows of a window say
// what they must be together.
const chainOfFour = `
flows:
  - {name: 'chain:d', promql: '10 * sum by (job) (chain:c)', every: 10s, emit: close}
  - {name: 'chain:c', promql: 'sum by (job) (chain:b) + 1', every: 10s, emit: close}
  - {name: 'chain:b', promql: '2 * sum by (job) (chain:a)', every: 10s, emit: close}
  - {name: 'chain:a', promql: 'sum by (job) (sum_over_time(events[10s]))', every: 10s, emit: close}
  - {name: 'chain:mean', promql: 'avg by (job) (avg_over_time(chain:a[1m]))', every: 10s, emit: close}
  - {name: 'chain:total', promql: 'sum by (job) (chain:a) + on (job) (chain:total or on (job) 0 * sum by (job) (chain:a))', every: 10s, emit: close}
`

// wrong counts the rows of the running total that are not the sum of all rows up to theirs,
// that are missing or that are too many. It is one statement, since windows close by the
// clock, too.
const wrong = `select count(*) from flow.chain_total t full join flow.chain_a a using (window_end, job)
	where a.value is null or t.value is distinct from (select sum(value) from flow.chain_a b where b.job = a.job and b.window_end <= a.window_end)`

// torn counts the windows in which one of four tables lacks a row of another, or has one
// that does not fit.
const torn = `select count(*) from flow.chain_a a full join flow.chain_b b using (window_end, job)
	full join flow.chain_c c using (window_end, job) full join flow.chain_d d using (window_end, job)
	where b.value is distinct from 2 * a.value or c.value is distinct from b.value + 1 or d.value is distinct from 10 * c.value`

// TestChainOfFour sends samples, late ones among them, to the bottom of a chain of flows,
// kills the process and refills, while a reader joins the four tables every 10 ms: it
// never sees one table without the others. A running total beside them, which reads
// itself, is right up to the newest window. verify agrees at the end.
func TestChainOfFour(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "chain.yml")
	writeFile(t, path, chainOfFour)
	in := laminartest.New(t, "--flows", path)
	in.Serve()
	const jobs, scrapes = 5, 120
	var series [][]fleet.Label
	for i := range 2 * jobs {
		series = append(series, []fleet.Label{{Name: "__name__", Value: "events"}, {Name: "instance", Value: fmt.Sprint(i)}, {Name: "job", Value: fmt.Sprintf("j%d", i%jobs)}})
	}
	begin := time.Now().Add(-time.Hour).Truncate(time.Minute)
	send := func(s int, at time.Time, v float64) {
		t.Helper()
		body, err := fleet.Encode(series[s:s+1], []fleet.Point{{T: at.UnixMilli(), V: v}})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(in.WriteURL(), "application/x-protobuf", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if _ = resp.Body.Close(); resp.StatusCode != http.StatusNoContent {
			t.Fatalf("a write is answered %s", resp.Status)
		}
	}
	at := func(scrape int) time.Time { return begin.Add(time.Duration(scrape) * 5 * time.Second) }
	for s := range series {
		send(s, at(0), 1)
	}
	pool := in.Pool()
	eventually(t, "the tables are there", func() bool {
		return count(t, pool, "select count(*) from pg_tables where schemaname = 'flow' and tablename like 'chain\\_%'") == 6
	})
	var (
		reader sync.WaitGroup
		stop   = make(chan struct{})
		looks  int
	)
	reader.Go(func() {
		for ticker := time.NewTicker(10 * time.Millisecond); ; {
			select {
			case <-stop:
				ticker.Stop()
				return
			case <-ticker.C:
			}
			var n int
			if err := pool.QueryRow(t.Context(), torn).Scan(&n); err != nil {
				continue // the database is being started again
			}
			if looks++; n > 0 {
				t.Errorf("a reader sees %d torn windows", n)
				return
			}
		}
	})
	for scrape := 1; scrape < scrapes; scrape++ {
		for s := range series {
			send(s, at(scrape), float64(scrape%7))
		}
		if scrape%9 == 0 { // late, by up to ten minutes
			send(scrape%len(series), at(scrape/2).Add(time.Second), 100)
		}
		if scrape == scrapes/2 {
			in.Kill()
			in.Serve()
		}
	}
	in.Must("flow", "wait", "--timeout", "4m")
	before := count(t, pool, "select count(*) from flow.chain_d")
	// One late sample at the bottom, and all four tables are right.
	send(0, at(20).Add(2*time.Second), 1000)
	in.Must("flow", "wait", "--timeout", "4m")
	right := func(when string) {
		t.Helper()
		eventually(t, "the total is right "+when, func() bool { return count(t, pool, wrong) == 0 })
	}
	right("after a late sample")
	high := count(t, pool, "select count(*) from flow.chain_d where value >= 10 * (2 * 1000 + 1)")
	in.Must("refill", "chain:a", "--from", begin.Format(time.RFC3339), "--to", "now")
	in.Must("flow", "wait", "--timeout", "4m")
	right("after a refill")
	close(stop)
	reader.Wait()
	if looks < 20 || before < jobs*(scrapes/2-3) || high != 1 {
		t.Errorf("%d looks, %d rows at the top, %d of them from the late sample: the test tests nothing", looks, before, high)
	}
	if state, stderr, code := verify(t, in); code != laminartest.ExitOK || len(state.Flows) != 6 {
		t.Errorf("verify ends with %d\n%s", code, stderr)
	}
}

// TestRuleBehind: a rule that reads rules behind it in its group, one of which reads
// itself, sees in PostgreSQL what they had at the evaluation before; after a late sample
// and a refill, too.
func TestRuleBehind(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "behind.yml")
	writeFile(t, path, `
groups:
- name: g
  interval: 30s
  rules:
  - {record: early, expr: 'max by (job) (amount) + on (job) total'}
  - {record: amount, expr: 'sum by (job) (sum_over_time(events[30s]))'}
  - {record: total, expr: 'sum by (job) (amount) + on (job) (total or on (job) 0 * sum by (job) (amount))'}
`)
	in := laminartest.New(t, "--flows", path)
	in.Serve()
	const windows = 150
	begin := time.Now().Add(-3 * time.Hour).Truncate(time.Minute)
	send := func(points ...fleet.Point) {
		t.Helper()
		body, err := fleet.Encode([][]fleet.Label{{{Name: "__name__", Value: "events"}, {Name: "job", Value: "x"}}}, points)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(in.WriteURL(), "application/x-protobuf", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if _ = resp.Body.Close(); resp.StatusCode != http.StatusNoContent {
			t.Fatalf("a write is answered %s", resp.Status)
		}
	}
	var points []fleet.Point
	for i := range windows {
		points = append(points, fleet.Point{T: begin.Add(time.Duration(i)*30*time.Second + 5*time.Second).UnixMilli(), V: float64(i % 7)})
	}
	send(points...)
	pool := in.Pool()
	const right = `select count(*) from flow.early e
		join flow.amount a on a.window_end = e.window_end - interval '30 s' join flow.total t on t.window_end = a.window_end
		where e.value = a.value + t.value and t.value = (select sum(value) from flow.amount where window_end <= t.window_end)`
	check := func(when string) {
		t.Helper()
		in.Must("flow", "wait", "--timeout", "4m")
		eventually(t, "all windows are right "+when, func() bool {
			rows := count(t, pool, "select count(*) from flow.early")
			return rows >= windows-4 && count(t, pool, right) == rows
		})
		if state, stderr, code := verify(t, in); code != laminartest.ExitOK || len(state.Flows) != 3 {
			t.Errorf("%s verify ends with %d\n%s", when, code, stderr)
		}
	}
	check("at first")
	send(fleet.Point{T: begin.Add(7 * time.Second).UnixMilli(), V: 1000})
	eventually(t, "the late sample counts", func() bool { return count(t, pool, "select count(*) from flow.amount where value >= 1000") == 1 })
	check("after a late sample")
	in.Kill()
	in.Serve()
	in.Must("refill", "total", "--from", begin.Format(time.RFC3339), "--to", "now")
	check("after a refill")
}
