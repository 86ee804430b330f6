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

// TestRefill plans a refill, asks for it, and follows it until the windows that somebody had
// spoilt are as they were.
func TestRefill(t *testing.T) {
	w := newWorld(t, rateFlow+`  - {name: requests:max, every: 1m, backfill: all, promql: 'max_over_time(requests:rate1m[2m])'}
`)
	const flow = "requests:rate1m"
	table := get[view.FlowPages](w, "flow", "flow", flow).Flows[0].Table
	w.caughtUp(flow, w.base+59*minute+30*second)
	from, to := view.FormatTime(w.base+45*minute), view.FormatTime(w.base+50*minute)
	plan := get[view.RefillPlan](w, "refill/plan", "flow", flow, "from", from, "to", to)
	if len(plan.Flows) != 2 || plan.Refused || plan.Flows[1].Flow != "requests:max" || plan.Flows[1].Asked || plan.Flows[1].Samples != 0 {
		t.Fatalf("the plan is %+v", plan)
	}
	var samples int64 // the windows up to 45:30 and on to 50:00 read a minute each
	for _, s := range w.Samples {
		if s.T > w.base+44*minute+30*second && s.T <= w.base+50*minute {
			samples++
		}
	}
	stored := sqltest.ScanOne[int64](w.RawDB, "select count(*) from "+table+" where window_end > $1 and window_end <= $2",
		time.UnixMilli(w.base+45*minute), time.UnixMilli(w.base+50*minute))
	if p := plan.Flows[0]; !p.Asked || p.Windows != 10 || p.Rows != stored || p.Samples < samples-4 || p.Samples > samples+4 || p.Bytes == 0 || p.Seconds <= 0 || p.Pace != 0 || plan.Seconds < p.Seconds {
		t.Errorf("the plan is %+v, want about %d samples and %d rows", p, samples, stored)
	}
	if plan := get[view.RefillPlan](w, "refill/plan", "flow", flow, "from", from, "to", to, "cascade", "false"); len(plan.Flows) != 1 {
		t.Errorf("without what reads it the plan is %+v", plan)
	}
	if sqltest.ScanOne[int](w.RawDB, "select count(*) from job") != 0 {
		t.Error("a plan made a job")
	}

	w.Exec("update "+table+" set value = -1 where window_end = $1", time.UnixMilli(w.base+47*minute))
	status, answer := w.ask(http.MethodPost, "refill/start", fmt.Sprintf(`{"flow":%q,"from":%q,"to":%q,"cascade":false}`, flow, from, to))
	if status != http.StatusAccepted {
		t.Fatalf("%d %s", status, answer)
	}
	jobs := decoded[view.Jobs](w, answer)
	if len(jobs.Jobs) != 1 || jobs.Jobs[0].Flow != flow {
		t.Fatalf("the jobs are %+v", jobs)
	}
	id := fmt.Sprint(jobs.Jobs[0].ID)
	w.until("the refill is done", func() bool { return get[view.JobProgress](w, "job", "id", id).State == "done" })
	if job := get[view.JobProgress](w, "job", "id", id); job.WindowsAll != 10 || job.WindowsDone != 10 || job.Rows != 4 {
		t.Errorf("the job is %+v", job)
	}
	if n := sqltest.ScanOne[int](w.RawDB, "select count(*) from "+table+" where value = -1"); n != 0 {
		t.Errorf("%d rows are as somebody wrote them", n)
	}
	known := get[view.WindowKnown](w, "flow/window", "flow", flow, "end", view.FormatTime(w.base+47*minute))
	// The refill wrote it whole; the backfill had closed it.
	if now, before := known.Changed, known.ChangedBefore; now == nil || now.Closed || now.Rows != nil || now.At == view.None ||
		len(before) != 1 || !before[0].Closed || before[0].Position >= now.Position {
		t.Errorf("what changed the window is %+v, before %+v", now, before)
	}
	if list := get[view.Jobs](w, "jobs", "flow", "requests:max"); len(list.Jobs) != 0 {
		t.Errorf("the other flow has the jobs %+v", list)
	}
	if list := get[view.Jobs](w, "jobs"); len(list.Jobs) != 1 || list.Jobs[0].State != "done" {
		t.Errorf("there are the jobs %+v", list)
	}
	// A job that is done stays so.
	if status, answer := w.ask(http.MethodPost, "job/cancel", `{"id":`+id+`}`); status != http.StatusAccepted || decoded[view.Job](w, answer).State != "done" {
		t.Errorf("cancelled: %d %s", status, answer)
	}
	w.stop()
	if status, answer = w.ask(http.MethodPost, "refill/start", fmt.Sprintf(`{"flow":%q,"from":%q,"to":%q}`, flow, from, to)); status != http.StatusAccepted {
		t.Fatalf("%d %s", status, answer)
	}
	second := decoded[view.Jobs](w, answer)
	if len(second.Jobs) != 2 {
		t.Errorf("the jobs are %+v", second)
	}
	if status, answer := w.ask(http.MethodPost, "job/cancel", fmt.Sprintf(`{"id":%d}`, second.Jobs[0].ID)); status != http.StatusAccepted || decoded[view.Job](w, answer).State != "cancelled" {
		t.Errorf("cancelled: %d %s", status, answer)
	}

	// What cannot be rebuilt is refused, in the plan and when it is asked for.
	w.Exec("update retention set earliest_t = $1", w.base+50*minute)
	plan = get[view.RefillPlan](w, "refill/plan", "flow", flow, "from", from, "to", "now")
	if p := plan.Flows[0]; !plan.Refused || !strings.Contains(p.Refused, "are gone") || p.Hint != "from="+view.FormatTime(w.base+51*minute-1) {
		t.Errorf("the plan is %+v", plan)
	}
	for _, c := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"refill/start", fmt.Sprintf(`{"flow":%q,"from":%q}`, flow, from), 409, "are gone"},
		{"refill/start", `{"flow":"requests:rate","from":"-1h"}`, 404, "requests:rate1m"},
		{"refill/start", fmt.Sprintf(`{"flow":%q,"from":"-1h","to":"-2h"}`, flow), 400, "is not before"},
		{"refill/start", fmt.Sprintf(`{"flow":%q,"from":"2026-03-04T10:55:01Z","to":"2026-03-04T10:55:02Z"}`, flow), 400, `"hint":"to=2026-03-04T10:55:30Z"`},
		{"refill/start", `{"flow":"requests:rate1m","since":"-1h"}`, 400, `unknown field \"since\"`},
		{"job/cancel", `{"id":4711}`, 404, "job does not exist"},
	} {
		if status, answer := w.ask(http.MethodPost, c.path, c.body); status != c.status || !strings.Contains(answer, c.want) {
			t.Errorf("%s %s: %d %s, want %d and %s", c.path, c.body, status, answer, c.status, c.want)
		}
	}
	if st := get[view.Status](w, "status"); len(st.Flows) != 2 || len(st.Regions) != 2 || len(st.Jobs) != 3 {
		t.Errorf("the status is %+v", st)
	}
	if list := get[view.Alerts](w, "alerts"); list.Alerts == nil {
		t.Error("there is no list of alerts")
	}
}
