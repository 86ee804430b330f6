package faults

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/server/view"
)

// sayWithin is within which time a flow that stands still says so.
const sayWithin = 10 * time.Second

// stateOf is a flow as `flow list` shows it.
func stateOf(t *testing.T, s *testbed, name string) view.Flow {
	t.Helper()
	out, err := s.Command("flow", "list", "--output", "json").Output()
	if err != nil {
		t.Fatalf("flow list: %v", err)
	}
	var flows []view.Flow
	if err := json.Unmarshal(out, &flows); err != nil {
		t.Fatal(err)
	}
	for _, f := range flows {
		if f.Flow == name {
			return f
		}
	}
	t.Fatalf("no flow %s in %s", name, out)
	return view.Flow{}
}

// metric is the value of a metric of a flow; false without one.
func metric(t *testing.T, s *testbed, name, flow string) (float64, bool) {
	t.Helper()
	series := name + `{flow="` + flow + `"}`
	found, err := s.metrics(t.Context(), s.Addr, series)
	if err != nil {
		t.Fatal(err)
	}
	v, err := strconv.ParseFloat(found[series], 64)
	return v, err == nil
}

// TestFaultFlowStandsStill: whatever keeps a flow from moving is said within 10 s,
// with what to do, wherever people and machines look; its lag goes on rising, its
// neighbours in the fence group go on, and it goes on by itself once it can.
func TestFaultFlowStandsStill(t *testing.T) {
	t.Parallel()
	s := newTestbed(t)
	s.Serve()
	wait, stop := s.load()
	wait(60)
	pool := s.Pool()
	exec := func(sql string) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	const flow, table, neighbour = "faults:rate", "flow.faults_rate", "faults:count"

	// What people add does not matter, also to an owner that begins anew.
	exec("alter table " + table + " add column note text, add column tag text default 'x'")
	s.Kill()
	s.Serve()
	wait(20)
	s.Must("flow", "wait", "--timeout", faultPatience.String())
	var f view.Flow
	defer func() {
		if t.Failed() {
			t.Logf("%s was %s at last: %s", flow, f.State, f.Error)
		}
	}()
	laminartest.Until(t, faultPatience, "with added columns it goes on", func() bool {
		f = stateOf(t, s, flow)
		return f.State == view.OK
	})

	for _, c := range []struct {
		name, harm, mend, fault, hint string
		refill                        bool
	}{
		{"a column is dropped", "alter table " + table + " drop column job", "drop table " + table, `no column "job"`, "drop table", true},
		{"a column gets another type", "alter table " + table + " alter column value type real",
			"alter table " + table + " alter column value type double precision", "type real", "alter column \"value\" type double precision", true},
		{"the role loses its rights", `create function flow.deny() returns trigger language plpgsql as $$ begin
			raise insufficient_privilege using message = 'new row violates row-level security'; end $$;
			create trigger deny before insert or update on ` + table + ` for each row execute function flow.deny()`,
			"drop function flow.deny() cascade", "row-level security", "row level security", false},
		{"rows are refused", "alter table " + table + " add constraint none check (value is null) not valid",
			"alter table " + table + " drop constraint none", "none", "", false},
	} {
		exec(c.harm)
		began := time.Now()
		laminartest.Until(t, faultPatience, c.name+": it says that it stands still", func() bool {
			// Where rounds take long it may say before that nobody moves it.
			f = stateOf(t, s, flow)
			return f.State == view.Stalled && strings.Contains(f.Error, c.fault)
		})
		if took := time.Since(began); took > within(sayWithin) {
			t.Errorf("%s: it was said after %s", c.name, took)
		}
		if !strings.Contains(f.Hint, c.hint) || f.StalledSince == "" {
			t.Errorf("%s: error %q, hint %q, since %q; want %q", c.name, f.Error, f.Hint, f.StalledSince, c.hint)
		}
		if text := s.Must("flow", "show", flow); !strings.Contains(text, "stalled: ") || !strings.Contains(text, c.fault) {
			t.Errorf("%s: flow show says\n%s", c.name, text)
		}
		if text := s.Must("status"); !strings.Contains(text, "stalled: ") {
			t.Errorf("%s: status says\n%s", c.name, text)
		}
		var state, cause string
		if err := pool.QueryRow(t.Context(), "select state, error from laminar.flow_state where flow = $1", flow).Scan(&state, &cause); err != nil ||
			state != view.Stalled || cause == "" {
			t.Errorf("%s: flow_state says %q %q %v", c.name, state, cause, err)
		}
		s.WantFailure(t, laminartest.ExitFault, c.fault, "flow", "wait", flow)
		laminartest.Until(t, within(sayWithin), c.name+": the metric says that it stands still", func() bool {
			v, ok := metric(t, s, "laminar_flow_stalled", flow)
			return ok && v == 1
		})
		before, ok := metric(t, s, "laminar_flow_lag_seconds", flow)
		if !ok {
			t.Errorf("%s: its lag is not shown any more", c.name)
		}
		laminartest.Until(t, within(sayWithin), c.name+": its lag rises", func() bool {
			v, ok := metric(t, s, "laminar_flow_lag_seconds", flow)
			return ok && v > before
		})
		// Its neighbours do not notice.
		stored := stateOf(t, s, neighbour).StoredUntil
		laminartest.Until(t, faultPatience, c.name+": its neighbour goes on", func() bool {
			n := stateOf(t, s, neighbour)
			return n.State == view.OK && n.StoredUntil > stored
		})
		exec(c.mend)
		laminartest.Until(t, faultPatience, c.name+": it moves again", func() bool {
			v, ok := metric(t, s, "laminar_flow_stalled", flow)
			return stateOf(t, s, flow).State != view.Stalled && ok && v == 0
		})
		if c.refill {
			s.Must("flow", "wait", "--timeout", faultPatience.String())
			s.Must("refill", flow, "--from", s.start.UTC().Format(time.RFC3339))
		}
	}

	stop()
	s.settle()
}
