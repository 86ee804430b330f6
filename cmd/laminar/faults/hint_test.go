package faults

import (
	"testing"
	"time"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/sqlstore/sqltest"
)

// TestFaultHints lets one process take samples in and another keep the flows,
// so that mirror writes come by LISTEN alone, and tampers with them. Tables
// are the same, only later (I5).
func TestFaultHints(t *testing.T) {
	t.Parallel()
	for name, tamper := range map[string]func() sqltest.Verdict{
		"dropped":  func() sqltest.Verdict { return sqltest.Drop },
		"repeated": func() sqltest.Verdict { return sqltest.Twice },
		"delayed": func() sqltest.Verdict {
			time.Sleep(300 * time.Millisecond) // the delay is the fault
			return sqltest.Pass
		},
		"cut": func() sqltest.Verdict { return sqltest.Break },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := sqltest.New(t)
			s := newTestbedAt(t, db.URL)
			s.Serve() // it leads: it is the first
			s.until("it leads", func() bool {
				found, err := s.metrics(t.Context(), s.Addr, "laminar_flow_leader ")
				return err == nil && found["laminar_flow_leader"] == "1"
			})
			seen := make(chan struct{}, 1)
			s.proxy.Filter(func(m sqltest.Message) sqltest.Verdict {
				if !notification(m) {
					return sqltest.Pass
				}
				select {
				case seen <- struct{}{}:
				default:
				}
				return tamper()
			})
			second := laminartest.New(t)
			second.URL = db.URL
			second.Serve()
			s.peers = []string{s.Addr}
			s.Addr, second.Addr = second.Addr, s.Addr // samples go to the second process
			t.Cleanup(func() { s.Addr, second.Addr = second.Addr, s.Addr })
			wait, stop := s.load()
			wait(100)
			stop()
			select {
			case <-seen:
			case <-time.After(faultPatience):
				t.Fatal("no mirror write came")
			}
			s.settle()
		})
	}
}
