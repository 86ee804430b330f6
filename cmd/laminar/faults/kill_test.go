package faults

import (
	"strings"
	"testing"

	"laminar/sqlstore/sqltest"
)

// killPoint is a moment in which Laminar is killed: a message between it and
// PostgreSQL that is held until the process is gone, and then never arrives.
type killPoint struct {
	name   string
	at     func(sqltest.Message) bool
	args   []string         // of serve
	prompt func(s *testbed) // brings the moment about, where samples alone do not
}

// sealing makes serve freeze, seal and drop every second.
var sealing = []string{"--seal-after", "1s", "--maintenance-schedule", "@every 1s", "--database-drop-grace", "0s"}

func askRefill(s *testbed) {
	s.Must("refill", "faults:rate", "--from", longAgo, "--to", "now", "--no-wait")
}

// killPoints are all of them but those of migrations.
var killPoints = []killPoint{
	{name: "ingest/series", at: runs("series_insert")},
	{name: "ingest/in_copy", at: copies("hot_copy")},
	{name: "ingest/before_commit", at: commits("flush_begin")},
	{name: "ingest/after_commit_before_ack", at: committed("flush_begin")},
	{name: "flow/taking_over", at: runs("flow_take")},
	{name: "flow/between_read_and_materialize", at: runs("flow_fence")},
	{name: "flow/before_progress", at: runs("flow_progress")},
	{name: "flow/before_commit", at: commits("flow_progress")},
	{name: "flow/after_commit", at: committed("flow_progress")},
	{name: "refill/before_step", prompt: askRefill, at: runs("job_step")},
	{name: "refill/after_commit", prompt: askRefill, at: committed("job_step")},
	{name: "seal/before_freeze", args: sealing, at: commits("region_move")},
	{name: "seal/after_freeze", args: sealing, at: committed("region_move")},
	{name: "seal/in_copy", args: sealing, at: copies("sealed_copy")},
	{name: "seal/before_commit", args: sealing, at: commits("generation_seal")},
	{name: "seal/after_commit", args: sealing, at: committed("generation_seal")},
	{name: "seal/in_drop", args: sealing, at: commits("generation_drop")},
}

// TestFaultKill kills Laminar with SIGKILL at every named point, once each,
// while samples come in, and starts it again.
func TestFaultKill(t *testing.T) {
	t.Parallel()
	for _, p := range killPoints {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newTestbed(t, p.args...)
			first := strings.HasPrefix(p.name, "ingest/series") || strings.HasPrefix(p.name, "flow/taking")
			var trap *sqltest.Trap
			if first { // it comes at the start only
				trap = s.proxy.Trap(p.at)
			}
			s.Serve()
			wait, stop := s.load()
			if !first {
				wait(20)
				trap = s.proxy.Trap(p.at)
			}
			if p.prompt != nil {
				p.prompt(s)
			}
			s.sprung(trap)
			s.Kill()
			trap.Release(sqltest.Break)
			s.Serve()
			wait(20)
			stop()
			s.settle()
			s.requireRefills()
		})
	}
}

// requireRefills waits until every refill that was asked for is done.
func (s *testbed) requireRefills() {
	s.t.Helper()
	pool := s.Pool()
	s.until("refills are done", func() bool {
		var open int
		if err := pool.QueryRow(s.t.Context(), "select count(*) from laminar.job where state <> 'done'").Scan(&open); err != nil {
			s.t.Fatal(err)
		}
		return open == 0
	})
}
