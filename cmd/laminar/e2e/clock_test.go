package e2e

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"laminar/cmd/fleet"
	"laminar/cmd/laminar/internal/laminartest"
	"laminar/server/view"
)

// Here the clock of the database is moved by its one function that says what time it is,
// which all processes go by. cmd/laminar/faults moves the clocks of whole machines.

// TestClockJumps: the database's clock jumps a month ahead and samples come that say
// so. Two processes hold retention back, and say so in log, metrics and status. A
// person confirms, takes it back, and all samples are there; then one of them puts
// a time of retention right that was in the future before there were bounds.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	args := []string{"--maintenance-schedule", "@every 1s", "--seal-after", "1s"}
	in := laminartest.New(t, args...)
	in.Serve()
	pool := in.Pool()
	exec := func(sql string) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	count := func(sql string) (n int) {
		t.Helper()
		if err := pool.QueryRow(t.Context(), sql).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	ahead := func(days string) {
		exec("create or replace function laminar.db_clock() returns timestamptz language sql volatile as $$ select clock_timestamp() + interval '" + days + " days' $$")
	}
	client, err := fleet.NewClient(in.WriteURL(), 1, 500, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	// A process learns within ten seconds that the database's clock or retention's time
	// has been moved.
	send := func(at time.Time) {
		t.Helper()
		f := fleet.New(fleet.DefaultOptions()) // whose samples are all of that time
		points := f.Scrape(nil, at)
		laminartest.Until(t, patience, "samples are taken in", func() bool {
			return client.Send(t.Context(), f.Series(), points) == nil
		})
	}
	// While nothing is stored the processes' own upkeep gives nothing up.
	in.WantFailure(t, laminartest.ExitFault, "nothing can be taken back", "retention", "restore")
	now := time.Now()
	for day := 13; day >= 0; day-- {
		send(now.AddDate(0, 0, -day))
	}
	exec("update laminar.installation set created_at = created_at - interval '15 days'")
	state := func() (r view.Retention) {
		t.Helper()
		if err := json.Unmarshal([]byte(in.Must("retention", "show", "--output", "json")), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	// A step is held for a moment until it is seen that it takes nothing away: the last one of
	// these must be over. Samples are kept for 15 days, and given up at the begin of a day.
	given := view.FormatTime(now.Add(-15 * 24 * time.Hour).Truncate(24 * time.Hour).UnixMilli())
	laminartest.Until(t, patience, "what is older than 15 days is given up", func() bool {
		s := state()
		return s.Earliest != "-" && s.Earliest >= given && s.Held == nil // later where a day begins meanwhile
	})
	before := count("select count(*) from laminar.sample")

	other := laminartest.New(t, args...)
	other.URL = pool.Config().ConnString()
	other.Serve()
	ahead("30")
	send(now.AddDate(0, 0, 30))
	laminartest.Until(t, patience, "retention is held back", func() bool { return state().Held != nil })
	all := count("select count(*) from laminar.sample")
	if all <= before {
		t.Errorf("%d samples, want more than %d", all, before)
	}
	if out := in.Must("status"); !strings.Contains(out, "retention is held back") || !strings.Contains(out, "laminar retention confirm") {
		t.Errorf("status does not say that retention is held back:\n%s", out)
	}
	for _, p := range []*laminartest.Installation{in, other} {
		laminartest.Until(t, patience, "each process says that retention is held back", func() bool {
			return metricOf(t, p, "laminar_retention_held") == 1 && metricOf(t, p, "laminar_retention_pending_seconds") > 86_400
		})
	}

	in.Must("retention", "confirm")
	if left := count("select count(*) from laminar.sample"); left >= all {
		t.Errorf("%d samples after the confirmed step, want fewer than %d", left, all)
	}
	ahead("0")
	in.Must("retention", "restore")
	if back := count("select count(*) from laminar.sample"); back != all {
		t.Errorf("%d samples after the restore, want %d", back, all)
	}
	laminartest.Until(t, patience, "the clock is right again", func() bool {
		return state().Held == nil && state().Earliest != "-" && metricOf(t, in, "laminar_retention_held") == 0
	})

	// What a Laminar without these bounds could leave behind.
	exec("update laminar.retention set earliest_t = (extract(epoch from now()) * 1000)::bigint / 86400000 * 86400000 + 15 * 86400000::bigint")
	f := fleet.New(fleet.DefaultOptions())
	laminartest.Until(t, patience, "samples are refused", func() bool {
		return client.Send(t.Context(), f.Series(), f.Scrape(nil, time.Now())) != nil
	})
	if out := in.Must("status"); !strings.Contains(out, "laminar retention restore") {
		t.Errorf("status does not say that samples are refused:\n%s", out)
	}
	in.Must("retention", "restore")
	send(time.Now())
	other.Stop()
	in.Stop()
	if log := in.Log.String() + other.Log.String(); !strings.Contains(log, "retention is held back: it would give up more than a day at once") {
		t.Errorf("no process says in its log that retention is held back:\n%s", log)
	}
}

// metricOf is the value of a metric without labels in /metrics; -1 when it is not there.
func metricOf(t *testing.T, in *laminartest.Installation, name string) float64 {
	t.Helper()
	resp, err := http.Get("http://" + in.Addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	return -1
}
