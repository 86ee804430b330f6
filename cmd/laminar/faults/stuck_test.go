package faults

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"laminar/sqlstore/sqltest"
)

// TestFaultStuckRound: a connection of the leader goes silent in a round, while its
// other connections work and it renews its lease. The round is given up and made again,
// in the same term, whether the answer to a read, a request or the answer to the commit
// is on its way.
func TestFaultStuckRound(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]func(sqltest.Message) bool{
		"reading":    rowOf("read_delta"),
		"fence":      runs("flow_fence"),
		"committed":  committed("flow_progress"),
		"not_loaded": func(m sqltest.Message) bool { return m.Runs("snapshot_position") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestbed(t)
			s.Serve()
			wait, stop := s.load()
			wait(40)
			pool := s.Pool()
			term := func() (term int64) {
				if err := pool.QueryRow(t.Context(), "select term from lease where purpose = 'flows'").Scan(&term); err != nil {
					t.Fatal(err)
				}
				return term
			}
			scene := func() {
				t.Helper()
				s.sprung(s.proxy.Trap(at))
				began := time.Now()
				var held time.Time
				if err := pool.QueryRow(t.Context(), "select clock_timestamp()").Scan(&held); err != nil {
					t.Fatal(err)
				}
				s.until("the flows move again", func() bool {
					const sql = "select count(*) from flow where updated_at < $1::timestamptz + interval '2 s'"
					var behind int
					err := pool.QueryRow(t.Context(), sql, held).Scan(&behind)
					return err == nil && behind == 0
				})
				took := time.Since(began)
				t.Logf("the flows stood still for %s", took.Round(100*time.Millisecond))
				if most := within(replacedWithin); took > most {
					t.Errorf("the flows stood still for %s, want %s at most", took, most)
				}
			}
			for spare := spareChanges(); ; spare-- {
				first := term()
				scene()
				last := term()
				if last == first {
					break
				}
				if spare == 0 {
					t.Errorf("the term is %d, was %d", last, first)
					break
				}
				wait(40) // and once more: what ended the term may have ended the round
			}
			stop()
			s.settle()
			s.Stop() // its log is whole then
			if log := s.Log.String(); !strings.Contains(log, "ending a session: this process waits for an answer") {
				t.Error("the log does not say that a session was ended")
			}
		})
	}
}

// TestFaultFrozenInCopy stops the leader in the middle of a COPY of results. Without
// another process the server would wait for the rest of it as long as the leader stands
// still, with the flows locked.
func TestFaultFrozenInCopy(t *testing.T) {
	t.Parallel()
	s, other := newPair(t)
	s.widen(40) // windows of few rows are not written by COPY
	wide := filepath.Join(t.TempDir(), "wide.yml")
	text := "flows: [{name: wide, every: 1m, promql: 'sum by (instance, method, code) (rate(http_requests_total[5m]))', trigger: {interval: 100ms}}]"
	if err := os.WriteFile(wide, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Must("flow", "apply", "-f", wide)
	trap := s.proxy.Trap(func(m sqltest.Message) bool {
		return !m.FromServer && m.Kind == 'd' && slices.Contains(m.Tx, "flow_fence")
	})
	wait, stop := s.loadAt(&other.Addr)
	s.sprung(trap)
	thaw := s.freeze()
	s.replaced(other, time.Now(), s.databaseNow(other))
	wait(20)
	thaw()
	trap.Release(sqltest.Pass)
	s.until("the first notices that its term is over", func() bool { return !s.leads(s.Addr) })
	wait(20)
	stop()
	s.settle()
}
