package faults

import (
	"slices"
	"sync"
	"testing"
	"time"

	"laminar/sqlstore/sqltest"
)

// cutPoint is where connections break, one at each of the moments, in their
// order. The message of the moment does not arrive.
type cutPoint struct {
	name   string
	at     []func(sqltest.Message) bool
	args   []string         // of serve
	prompt func(s *testbed) // brings the moment about, where samples alone do not
}

func runs(statement string) func(sqltest.Message) bool {
	return func(m sqltest.Message) bool { return m.Runs(statement) }
}

func copies(statement string) func(sqltest.Message) bool {
	return func(m sqltest.Message) bool { return m.Copies(statement) }
}

// commits is the request for a commit: it does not reach the server.
func commits(statement string) func(sqltest.Message) bool {
	return func(m sqltest.Message) bool { return m.Commits(statement) }
}

// committed is the answer to a commit: it is done, and nobody hears of it.
func committed(statement string) func(sqltest.Message) bool {
	return func(m sqltest.Message) bool { return m.Committed(statement) }
}

// answered is the end of the answer to a statement outside a transaction.
func answered(statement string) func(sqltest.Message) bool {
	return func(m sqltest.Message) bool {
		return m.FromServer && m.Kind == 'Z' && slices.Contains(m.Tx, statement)
	}
}

// rowOf is a row among the answers to a transaction with the statement.
func rowOf(statement string) func(sqltest.Message) bool {
	return func(m sqltest.Message) bool {
		return m.FromServer && m.Kind == 'D' && slices.Contains(m.Tx, statement)
	}
}

func notification(m sqltest.Message) bool { return m.FromServer && m.Kind == 'A' }

type moments = []func(sqltest.Message) bool

var cutPoints = []cutPoint{
	{name: "ingest/begin", at: moments{runs("flush_begin")}},
	{name: "ingest/in_copy", at: moments{copies("hot_copy")}},
	{name: "ingest/commit_not_done", at: moments{commits("flush_begin")}},
	{name: "ingest/commit_done", at: moments{committed("flush_begin")}},
	{name: "ingest/commit_done_and_again_when_asked", at: moments{committed("flush_begin"), runs("region_lock"), rowOf("flush_took")}},
	{name: "tick/position", at: moments{runs("snapshot_position")}},
	{name: "tick/read", at: moments{rowOf("read_delta")}},
	{name: "tick/fence", at: moments{runs("flow_fence")}},
	{name: "tick/commit_not_done", at: moments{commits("flow_progress")}},
	{name: "tick/commit_done", at: moments{committed("flow_progress")}},
	{name: "tick/commit_done_and_again_when_loaded", at: moments{committed("flow_progress"), runs("flow_take"), runs("flow_dirty")}},
	{name: "refill/read", prompt: askRefill, at: moments{runs("job_step"), rowOf("read_raw_hot")}},
	{name: "refill/commit_not_done", prompt: askRefill, at: moments{commits("job_step")}},
	{name: "refill/commit_done", prompt: askRefill, at: moments{committed("job_step")}},
	{name: "seal/in_copy", args: sealing, at: moments{copies("sealed_copy")}},
	{name: "seal/commit_not_done", args: sealing, at: moments{commits("generation_seal")}},
	{name: "seal/commit_done", args: sealing, at: moments{committed("generation_seal")}},
	{name: "listen/notification", at: moments{notification, notification}},
	{name: "listen/statement", at: moments{notification, runs(`listen "laminar_hint_laminar"`)}},
	{name: "listen/notify", at: moments{runs("notify")}},
	{name: "leader/alive", at: moments{runs("flownode_seen")}},
	{name: "leader/renewal_not_done", at: moments{runs("lease_renew")}},
	{name: "leader/renewal_done", at: moments{answered("lease_renew")}},
}

// TestFaultCut breaks connections at every named point, while samples come in.
// Laminar is not started again.
func TestFaultCut(t *testing.T) {
	t.Parallel()
	for _, p := range cutPoints {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newTestbed(t, p.args...)
			s.Serve()
			wait, stop := s.load()
			wait(20)
			done := s.breakAt(p.at...)
			if p.prompt != nil {
				p.prompt(s)
			}
			select {
			case <-done:
			case <-time.After(faultPatience):
				t.Fatalf("the point was not reached within %s", faultPatience)
			}
			wait(20)
			stop()
			s.settle()
			s.requireRefills()
		})
	}
}

// breakAt breaks a connection at each of the moments in turn. The channel is
// closed when the last one has come.
func (s *testbed) breakAt(at ...func(sqltest.Message) bool) <-chan struct{} {
	done := make(chan struct{})
	var mu sync.Mutex
	next := 0
	s.proxy.Filter(func(m sqltest.Message) sqltest.Verdict {
		mu.Lock()
		defer mu.Unlock()
		if next == len(at) || !at[next](m) {
			return sqltest.Pass
		}
		if next++; next == len(at) {
			s.proxy.Filter(nil)
			close(done)
		}
		return sqltest.Break
	})
	return done
}

// TestFaultDatabaseAway breaks all connections, several times, and lets no new
// one through for a while.
func TestFaultDatabaseAway(t *testing.T) {
	t.Parallel()
	s := newTestbed(t)
	s.Serve()
	wait, stop := s.load()
	for range 3 {
		wait(20)
		s.proxy.Away(true)
		told := s.told.Load()
		s.until("the sender is told to come back", func() bool { return s.told.Load() >= told+3 })
		s.proxy.Away(false)
	}
	wait(20)
	stop()
	s.settle()
}
