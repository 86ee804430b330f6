package ownapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"laminar/server/view"
	"laminar/sqlstore/sqltest"
)

// TestVerify: a comparison that is asked for finds the row that somebody has changed, and
// nothing else; it is remembered. What differs is counted, and listed as far as there is room;
// one that fails says of what was not compared that it knows nothing.
func TestVerify(t *testing.T) {
	w := newWorld(t, rateFlow)
	const flow = "requests:rate1m"
	w.caughtUp(flow, w.base+59*minute+30*second)
	if runs := get[view.VerifyRuns](w, "verify"); len(runs.Runs) != 0 || runs.Process == "" {
		t.Errorf("before any there are %+v", runs)
	}
	table := get[view.FlowPages](w, "flow", "flow", flow).Flows[0].Table
	w.Exec("update "+table+" set value = value + 1 where window_end = $1 and i = '2'", time.UnixMilli(w.base+47*minute))
	status, answer := w.ask(http.MethodPost, "verify/start", fmt.Sprintf(`{"flows":[%q],"from":%q,"to":"now"}`, flow, view.FormatTime(w.base+40*minute)))
	if status != http.StatusAccepted {
		t.Fatalf("%d %s", status, answer)
	}
	asked := decoded[view.VerifyRun](w, answer)
	var run view.VerifyRun
	w.until("the comparison has ended", func() bool {
		runs := get[view.VerifyRuns](w, "verify").Runs
		run = runs[0]
		return len(runs) == 1 && run.ID == asked.ID && run.State != "running"
	})
	if run.State != "done" || run.Error != "" || run.Done != run.Total || run.Total < 39 || len(run.Result.Flows) != 1 {
		t.Fatalf("the comparison is %+v", run)
	}
	found := run.Result.Flows[0]
	if found.Differences != 1 || found.Windows < 39 || found.Cells[0].Labels["i"] != "2" || found.Cells[0].WindowEnd != view.FormatTime(w.base+47*minute) {
		t.Errorf("it found %+v", found)
	}
	for _, c := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"verify/start", `{"flows":["requests:rate"]}`, 404, "requests:rate1m"},
		{"verify/start", `{"sample":"200%"}`, 400, "want a share"},
		{"verify/start", `{"from":"soon"}`, 400, "not a time"},
		{"verify/cancel", `{"id":99}`, 404, "knows no verification 99"},
	} {
		if status, answer := w.ask(http.MethodPost, c.path, c.body); status != c.status || !strings.Contains(answer, c.want) {
			t.Errorf("%s %s: %d %s, want %d and %s", c.path, c.body, status, answer, c.status, c.want)
		}
	}
	w.stop()
	began := func(body string) (run view.VerifyRun) {
		t.Helper()
		status, answer := w.ask(http.MethodPost, "verify/start", body)
		if status != http.StatusAccepted {
			t.Fatalf("%d %s", status, answer)
		}
		w.until("the comparison has ended", func() bool {
			run = get[view.VerifyRuns](w, "verify").Runs[0]
			return run.State != "running"
		})
		return run
	}
	w.Exec("update " + table + " set value = value + 1")
	rows := sqltest.ScanOne[int64](w.RawDB, "select count(*) from "+table+" where window_end <= (select timestamptz 'epoch' + max(emitted_until) * interval '1 ms' from flow)")
	if run := began("{}"); run.Result == nil || rows <= 200 || run.Result.Flows[0].Differences != rows || len(run.Result.Flows[0].Cells) != 200 {
		t.Errorf("where all of %d rows differ the comparison is %+v", rows, run)
	}
	w.Exec("alter table " + table + " rename column value to other")
	if run := began("{}"); run.State != "failed" || run.Error == "" || run.Result != nil {
		t.Errorf("where the table cannot be read the comparison is %+v", run)
	}
	w.Exec("alter table " + table + " rename column other to value")
	// A role that may only read cannot tell who follows the flow, and still sees what differs.
	w.Exec(`create function public.forbid() returns trigger language plpgsql as $$ begin raise insufficient_privilege; end $$`)
	w.Exec("create trigger forbid before update of incarnation on laminar.flow execute function public.forbid()")
	if run := began("{}"); run.State != "done" || !strings.Contains(run.Error, flow) || run.Result == nil || run.Result.Flows[0].Differences != rows {
		t.Errorf("of a role that may only read the comparison is %+v", run)
	}
	w.Exec("drop trigger forbid on laminar.flow")
	// One is under way at a time; one that is cancelled ends.
	for range 12 {
		status, answer := w.ask(http.MethodPost, "verify/start", `{"sample":"50%"}`)
		if status == http.StatusConflict {
			continue // the one before is under way
		}
		if status != http.StatusAccepted {
			t.Fatalf("%d %s", status, answer)
		}
		if status, answer = w.ask(http.MethodPost, "verify/cancel", fmt.Sprintf(`{"id":%d}`, decoded[view.VerifyRun](w, answer).ID)); status != http.StatusAccepted {
			t.Fatalf("%d %s", status, answer)
		}
	}
	w.until("all have ended", func() bool {
		runs := get[view.VerifyRuns](w, "verify").Runs
		for _, run := range runs {
			if run.State == "cancelled" && run.Result != nil && run.Result.Flows[0].Windows == 0 {
				t.Fatalf("one that has compared nothing has a result: %+v", run)
			}
		}
		return len(runs) <= 10 && runs[0].State != "running" && runs[0].Error == ""
	})
}
