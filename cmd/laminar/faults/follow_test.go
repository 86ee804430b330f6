package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/prometheus/model/labels"

	"laminar/client"
	"laminar/client/wire"
	"laminar/cmd/laminar/internal/laminartest"
	"laminar/flownode/flowdef"
	"laminar/sqlstore"
)

// followerEnv holds what a follower follows, as JSON. A test binary that has it is one.
const followerEnv = "LAMINAR_TEST_FOLLOWER"

// follower is a program that keeps a copy of flows in a database.
type follower struct {
	Source   client.Source
	Database string
}

// makeCopy makes the tables that a follower fills.
const makeCopy = `
create table public.copy (flow text, window_end timestamptz, labels text[], value text, primary key (flow, window_end, labels));
create table public.copied (one boolean primary key default true, position text not null, resets integer not null);
insert into public.copied values (true, '', 0)`

// follow is the follower's main: it stores rows and position in one transaction, and begins
// at the position that is stored.
func follow() int {
	var f follower
	if err := json.Unmarshal([]byte(os.Getenv(followerEnv)), &f); err != nil {
		return followFailed(err)
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, f.Database)
	if err != nil {
		return followFailed(err)
	}
	if err := conn.QueryRow(ctx, "select position from public.copied").Scan(&f.Source.After); err != nil {
		return followFailed(err)
	}
	stream := client.Open(f.Source)
	for {
		batch, err := stream.Next(ctx)
		if err != nil {
			return followFailed(err)
		}
		if err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return store(ctx, tx, batch) }); err != nil {
			return followFailed(err)
		}
	}
}

func followFailed(err error) int {
	fmt.Fprintln(os.Stderr, "follower:", err)
	return 1
}

// store applies a batch, as docs/reading.md says.
func store(ctx context.Context, tx pgx.Tx, b client.Batch) error {
	do := &pgx.Batch{}
	if b.Reset {
		do.Queue("delete from public.copy")
		do.Queue("update public.copied set position = '', resets = resets + 1")
	}
	for _, r := range b.Rows {
		if r.Whole {
			do.Queue("delete from public.copy where flow = $1 and window_end = $2", r.Flow, r.WindowEnd)
		}
		for _, row := range r.Rows {
			n := len(row) - 1
			do.Queue(`insert into public.copy values ($1, $2, $3, $4) on conflict (flow, window_end, labels) do update set value = excluded.value`,
				r.Flow, r.WindowEnd, row[:n], row[n])
		}
		for _, row := range r.Gone {
			do.Queue("delete from public.copy where flow = $1 and window_end = $2 and labels = $3", r.Flow, r.WindowEnd, row)
		}
	}
	if b.Position != "" {
		do.Queue("update public.copied set position = $1", b.Position)
	}
	return tx.SendBatch(ctx, do).Close()
}

// begin starts the follower as a process.
func (f *follower) begin(t *testing.T) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), followerEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// TestFollowersAreExact kills two servers of a database and a client, again and again, while
// samples come in, late ones among them, windows are filled again, a table is replaced and the
// log of changes is cut. The client keeps a copy of all flows in PostgreSQL, rows and
// position in one transaction. In the end the copy equals the tables.
func TestFollowersAreExact(t *testing.T) {
	t.Parallel()
	s := newTestbed(t)
	other := laminartest.New(t, "--flows", faultFlows)
	other.URL = s.URL
	s.peers = []string{other.Addr}
	s.Serve()
	other.Serve()
	procs := []*laminartest.Installation{s.Installation, other}
	pool := s.Pool()
	if _, err := pool.Exec(t.Context(), makeCopy); err != nil {
		t.Fatal(err)
	}
	wait, stop := s.loadAt(&other.Addr)
	wait(20)
	flows := laminartest.ParseFlows(t, faultFlows)
	f := follower{Database: s.proxy.URL, Source: client.Source{
		URLs: []string{"http://" + s.Addr, "http://" + other.Addr}, From: "all", Provisional: true, MaxRows: 50,
	}}
	for _, flow := range flows {
		f.Source.Flows = append(f.Source.Flows, flow.Title())
	}
	cmd := f.begin(t)
	kill := func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	}
	defer func() { kill() }()
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for i := range 20 {
		switch {
		case i%5 == 4:
			p := procs[i/5%2]
			p.Kill()
			p.Serve()
		case i == 7:
			s.Must("refill", "faults:rate", "--from", longAgo, "--to", "now", "--no-wait")
			kill()
			cmd = f.begin(t)
		case i == 10:
			s.Must("flow", "apply", "-f", changedFlow(t), "--replace")
			kill()
			cmd = f.begin(t)
		case i == 13: // the log is cut while the client is away
			s.until("the client has heard of the table that was replaced", func() bool { return countResets(t, pool) >= 2 })
			kill()
			wait(5)
			s.until("something is new for the client", func() bool { return isBehind(t, pool) })
			cutLog(t, s.URL)
			cmd = f.begin(t)
		default:
			kill()
			cmd = f.begin(t)
		}
		wait(1 + rng.IntN(4))
	}
	wait(60) // so that there are enough windows to compare, however few were sent above
	stop()
	if err := s.deliver(s.Addr, s.fleet.Pending()); err != nil {
		t.Fatal(err)
	}
	s.catchUp()
	var rows int
	var last string
	defer func() {
		if t.Failed() {
			t.Log("the last difference:", last)
		}
	}()
	s.until("the copy equals the tables", func() bool {
		var differs string
		if rows, differs = compareCopy(t, pool, flows); differs != "" {
			last = differs
		}
		return differs == ""
	})
	resets := countResets(t, pool)
	// The first, the table that was replaced, the log that was cut.
	if rows < 300 || resets < 3 {
		t.Errorf("%d rows and %d resets: too little happened", rows, resets)
	}
	t.Logf("%d rows are equal after %d resets", rows, resets)
}

// changedFlow is a file with another definition of one of the flows.
func changedFlow(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "changed.yml")
	text := "flows:\n  - {name: faults:spread, promql: 'max by (job) (node_load1) - min by (job) (min_over_time(node_load1[2m]))', every: 30s, trigger: {interval: 100ms}, backfill: all}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// countResets is how often the copy was emptied.
func countResets(t *testing.T, pool *pgxpool.Pool) (resets int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "select resets from public.copied").Scan(&resets); err != nil {
		t.Fatal(err)
	}
	return resets
}

// isBehind reports whether a flow has changed since the position of the copy, or there is
// none because the client was killed in the middle of a snapshot.
func isBehind(t *testing.T, pool *pgxpool.Pool) (behind bool) {
	t.Helper()
	err := pool.QueryRow(t.Context(), `select c.position = '' or exists (
		select from unnest(string_to_array(c.position, ',')) p join laminar.flow f on f.id = split_part(p, '.', 1)::integer
		where f.position > split_part(p, '.', 3)::bigint) from public.copied c`).Scan(&behind)
	if err != nil {
		t.Fatal(err)
	}
	return behind
}

// cutLog forgets all changes of results up to now.
func cutLog(t *testing.T, url string) {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{URL: url}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Changes.Prune(t.Context(), time.Now().Add(time.Hour).UnixMilli()); err != nil {
		t.Fatal(err)
	}
}

// compareCopy compares the copy with the tables, in one snapshot, and says how many rows
// there are and the first difference.
func compareCopy(t *testing.T, pool *pgxpool.Pool, flows []flowdef.Flow) (rows int, differs string) {
	t.Helper()
	err := pgx.BeginTxFunc(t.Context(), pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		for _, f := range flows {
			want := map[string]string{}
			stored, err := laminartest.StoredRows(t.Context(), tx, f)
			if err != nil {
				return err
			}
			for end, window := range stored {
				for key, value := range window {
					want[fmt.Sprint(end, " ", key)] = strconv.FormatFloat(value, 'f', -1, 64)
				}
			}
			got, err := readCopy(t.Context(), tx, f)
			if err != nil {
				return err
			}
			rows += len(want)
			if differs == "" && !maps.Equal(got, want) {
				differs = fmt.Sprintf("%s has %d rows and its copy %d: %s", f.Title(), len(want), len(got), firstDifference(got, want))
			}
		}
		return nil
	})
	if err != nil {
		return 0, err.Error()
	}
	return rows, differs
}

func firstDifference(got, want map[string]string) string {
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if got[key] != want[key] {
			return fmt.Sprintf("%q is %s, and %q in the copy", key, want[key], got[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, there := want[key]; !there {
			return fmt.Sprintf("%q is not there, and %s in the copy", key, got[key])
		}
	}
	return ""
}

// readCopy is the copy of a flow.
func readCopy(ctx context.Context, tx pgx.Tx, f flowdef.Flow) (map[string]string, error) {
	rows, err := tx.Query(ctx, "select (extract(epoch from window_end) * 1000)::bigint, labels, value from public.copy where flow = $1", f.Title())
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	var (
		end     int64
		columns []string
		value   string
	)
	_, err = pgx.ForEachRow(rows, []any{&end, &columns, &value}, func() error {
		if !flowdef.NewLayout(f).PerLabel {
			var set map[string]string
			if err := json.Unmarshal([]byte(columns[0]), &set); err != nil {
				return err
			}
			columns[0] = flowdef.GroupKey(labels.FromMap(set))
		}
		out[fmt.Sprint(end, " ", strings.Join(columns, "\xff"))] = value
		return nil
	})
	return out, errors.Join(err, ctx.Err())
}

// TestWatch: what flow watch prints, as text and as JSON, and how it ends.
func TestWatch(t *testing.T) {
	t.Parallel()
	s := newTestbed(t)
	s.Serve()
	s.send(60)
	s.Must("flow", "wait", "--timeout", faultPatience.String())
	url := "http://" + s.Addr
	until := s.start.Add(5 * time.Minute).UTC().Format(time.RFC3339)
	watch := func(args ...string) string {
		return s.Must(append([]string{"flow", "watch", "--url", url, "--from", "all", "--until", until, "--timeout", "3m"}, args...)...)
	}
	text := watch("faults:count", "--match", `{method="GET"}`)
	if !strings.Contains(text, `faults:count{`) || !strings.Contains(text, `method="GET"`) || strings.Contains(text, `method="POST"`) {
		t.Errorf("as text: %s", text)
	}
	var position string
	seen := map[string]int{}
	for line := range strings.Lines(watch("faults:count", "--output", "json")) {
		m, err := wire.Decode([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case m.Reset != nil:
			seen["reset"]++
		case m.Hello != nil:
			seen["hello"]++
		case m.Rows != nil:
			seen["rows"]++
		case m.Progress != nil:
			seen["progress"]++
			position = m.Progress.Position
		}
	}
	if seen["reset"] != 1 || seen["hello"] != 1 || seen["rows"] == 0 || seen["progress"] == 0 {
		t.Errorf("as JSON: %v", seen)
	}
	if text := watch("faults:count", "--output", "json", "--after", position); strings.Contains(text, `"rows"`) || !strings.Contains(text, `"progress"`) {
		t.Errorf("from where it ended: %s", text)
	}
	base := []string{"flow", "watch", "--url", url}
	s.WantFailure(t, 3, "gave up after 100ms", append(base, "faults:count", "--until", "2100-01-01", "--timeout", "100ms")...)
	s.WantFailure(t, 1, "did you mean \"faults:count\"", append(base, "faults:coun")...)
	s.WantFailure(t, 2, "arguments", base...)
	s.WantFailure(t, 1, "laminar serve", "flow", "watch", "x", "--url", "http://127.0.0.1:1")
}

// TestStreamsEndWithTheServer: a server that is told to stop says bye to those who follow,
// and is gone soon, also where one of them does not read.
func TestStreamsEndWithTheServer(t *testing.T) {
	t.Parallel()
	s := newTestbed(t)
	s.Serve()
	s.send(20)
	s.Must("flow", "wait", "--timeout", faultPatience.String())
	open := func() io.ReadCloser {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr+"/api/v1/subscribe?flow=faults:count&from=all", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		if resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
		return resp.Body
	}
	read, idle := open(), open()
	began := time.Now()
	s.Stop()
	// Below the 10 s for which the HTTP server waits for requests, after which serve ends
	// with an error.
	if took := time.Since(began); took > within(8*time.Second) {
		t.Errorf("with streams open it takes %s to stop", took)
	}
	if strings.Contains(s.Log.String(), laminartest.SlowAnswers) {
		t.Error("streams were under way when the HTTP server had waited for requests")
	}
	text, err := io.ReadAll(read)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	m, err := wire.Decode([]byte(lines[len(lines)-1]))
	if err != nil || m.Bye == nil || m.Bye.Reason != wire.ByeShutdown || m.Bye.Retry == 0 {
		t.Errorf("the last message is %s (%v)", lines[len(lines)-1], err)
	}
	_ = idle.Close()
}
