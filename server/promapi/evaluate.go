package promapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/httputil"
	"github.com/prometheus/prometheus/util/stats"

	"laminar/query"
)

// evaluating answers with what the engine computes.
type evaluating struct{ *core }

// mostPoints is how many steps a range query has at most, less one.
const mostPoints = 11000

// VectorHeader is the header that says at which position of the raw data was read.
const VectorHeader = "X-Laminar-Vector"

// FlowsHeader is the header that says how many of the steps of those parts of a query that
// are expressions of flows were answered from the flows: "57/60". Answers without such parts
// do not have it.
const FlowsHeader = "X-Laminar-From-Flows"

// query answers /query: an expression at one time.
func (a evaluating) query(r *http.Request) answer {
	limit, err := parseLimit(r.FormValue("limit"))
	if err != nil {
		return refuseParameter("limit", err)
	}
	at, err := timeOr(r, "time", a.now())
	if err != nil {
		return refuseParameter("time", err)
	}
	return a.evaluate(r, limit, func(ctx context.Context, s *query.Session, opts promql.QueryOpts) (promql.Query, error) {
		return s.Instant(ctx, opts, r.FormValue("query"), at)
	})
}

// queryRange answers /query_range: an expression at many times.
func (a evaluating) queryRange(r *http.Request) answer {
	limit, err := parseLimit(r.FormValue("limit"))
	if err != nil {
		return refuseParameter("limit", err)
	}
	start, err := parseTime(r.FormValue("start"))
	if err != nil {
		return refuseParameter("start", err)
	}
	end, err := parseTime(r.FormValue("end"))
	if err != nil {
		return refuseParameter("end", err)
	}
	if end.Before(start) {
		return refuseParameter("end", errors.New("end timestamp must not be before start time"))
	}
	step, err := parseDuration(r.FormValue("step"))
	if err != nil {
		return refuseParameter("step", err)
	}
	if step <= 0 {
		return refuseParameter("step", errors.New("zero or negative query resolution step widths are not accepted. Try a positive integer"))
	}
	if end.Sub(start)/step > mostPoints {
		return refuse(errors.New("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"))
	}
	return a.evaluate(r, limit, func(ctx context.Context, s *query.Session, opts promql.QueryOpts) (promql.Query, error) {
		return s.Range(ctx, opts, r.FormValue("query"), start, end, step)
	})
}

// evaluate answers with the result of a query, which begin makes of a session.
func (a evaluating) evaluate(r *http.Request, limit int, begin func(context.Context, *query.Session, promql.QueryOpts) (promql.Query, error)) answer {
	ctx := httputil.ContextFromRequest(r.Context(), r)
	cancel := func() {}
	if text := r.FormValue("timeout"); text != "" {
		timeout, err := parseDuration(text)
		if err != nil {
			return refuseParameter("timeout", err)
		}
		ctx, cancel = context.WithTimeout(ctx, timeout)
	}
	defer cancel()
	opts, err := queryOptions(r)
	if err != nil {
		return refuse(err)
	}
	use, err := fromFlows(r)
	if err != nil {
		return refuseParameter("from_flows", err)
	}
	session := a.session(r)
	if use != "" {
		session.FromFlows(use)
	}
	qry, err := begin(ctx, session, opts)
	if err != nil {
		session.Close()
		if query.NotRead(err) {
			return answer{err: a.failed(r, err)}
		}
		return refuseParameter("query", err)
	}
	// The result is the query's memory until it has been written.
	done := func() {
		qry.Close()
		session.Close()
	}
	ok := false
	defer func() {
		if !ok { // the engine has panicked
			done()
		}
	}()
	res := qry.Exec(ctx)
	ok = true
	if res.Err != nil {
		return answer{err: a.failed(r, res.Err), done: done}
	}
	warnings := res.Warnings
	if limit > 0 && truncate(res, limit) {
		warnings = warnings.Add(errTruncated)
	}
	if warning := statsWarning(r.FormValue("stats")); warning != nil {
		warnings = warnings.Add(warning)
	}
	out := result{value: res.Value}
	if r.FormValue("stats") != "" {
		out.stats = stats.NewQueryStats(qry.Stats())
	}
	ans := answer{data: out, warnings: warnings, done: done}
	if vec, read := session.Vector(); read {
		ans.header = map[string]string{VectorHeader: vec.String()}
		if n, some := session.Answered(); some {
			ans.header[FlowsHeader] = fmt.Sprintf("%d/%d", n.FromFlows, n.Steps)
		}
	}
	return ans
}

// truncate leaves only so many series in a result, and reports whether there were more.
func truncate(res *promql.Result, limit int) bool {
	switch v := res.Value.(type) {
	case promql.Matrix:
		if len(v) > limit {
			res.Value = v[:limit]
			return true
		}
	case promql.Vector:
		if len(v) > limit {
			res.Value = v[:limit]
			return true
		}
	}
	return false
}

// queryExemplars answers /query_exemplars: exemplars are not stored.
func (a evaluating) queryExemplars(r *http.Request) answer {
	start, end, err := span(r)
	if err != nil {
		return *err
	}
	if end.Before(start) {
		return refuse(errors.New("end timestamp must not be before start timestamp"))
	}
	if _, err := a.cfg.Queries.Parser.ParseExpr(r.FormValue("query")); err != nil {
		return refuse(err)
	}
	return answer{data: []string{}}
}

// span is the parameters start and end, everything where they are left out; or the
// answer to wrong ones.
func span(r *http.Request) (start, end time.Time, wrong *answer) {
	start, err := timeOr(r, "start", earliest)
	if err != nil {
		ans := refuseParameter("start", err)
		return start, end, &ans
	}
	end, err = timeOr(r, "end", latest)
	if err != nil {
		ans := refuseParameter("end", err)
		return start, end, &ans
	}
	return start, end, nil
}
