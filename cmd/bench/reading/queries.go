package reading

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"time"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/workload"
)

// sealedRange measures a range query over hours of sealed samples.
func (r *readWork) sealedRange(ctx context.Context) error {
	if err := r.store(ctx, workload.RequestSeries(r.b.Plan.ReadSeries), r.b.Plan.ReadScrapes); err != nil {
		return err
	}
	if _, err := r.laminar.Run(ctx, "seal", "--force"); err != nil {
		return err
	}
	return r.beside(ctx, readRange, "query_range", r.rangeQuery(), `"metric"`)
}

// rangeQuery is a range query over all samples of the first metric.
func (r *readWork) rangeQuery() url.Values {
	return url.Values{
		"query": {"sum by (job) (rate(http_requests_total[5m]))"}, "start": {unix(r.start())}, "end": {unix(r.end.Add(-time.Minute))}, "step": {"60"},
	}
}

// fromFlow measures the same range query when there is a flow of its expression, which
// must answer all of it.
func (r *readWork) fromFlow(ctx context.Context) error {
	form := r.rangeQuery()
	for round := range r.b.Plan.Rounds + 1 {
		body, took, err := r.laminar.Ask(ctx, "query_range", form)
		if err != nil {
			return err
		}
		steps := int(r.end.Add(-time.Minute).Sub(r.start())/time.Minute) + 1
		if !bytes.Contains(body, fmt.Appendf(nil, "answered from flow read_rate: %d of %d steps", steps, steps)) {
			return fmt.Errorf("the flow did not answer: %.300s ... %s", body, body[max(0, len(body)-300):])
		}
		if round > 0 {
			r.b.Add(Number, readFlow, "ms", harness.MS(took))
		}
	}
	return nil
}

// hotInstant measures an instant query that gives a value for each series, of samples
// that have just arrived.
func (r *readWork) hotInstant(ctx context.Context) error {
	series := workload.MetricSeries(r.b.Plan.HotSeries, 100, "hot_requests_total")
	if err := r.store(ctx, series, 6*workload.PerMinute); err != nil {
		return err
	}
	return r.beside(ctx, readHot, "query", url.Values{"query": {"rate(hot_requests_total[5m])"}, "time": {unix(r.end)}}, `"metric"`)
}

// lookups measures what query builders and variables ask, with very many series stored.
func (r *readWork) lookups(ctx context.Context) error {
	if err := r.store(ctx, workload.NodeSeries(r.b.Plan.ManySeries, time.Millisecond), 1); err != nil {
		return err
	}
	const metric = "node_subsystem7_events_total"
	span := url.Values{"match[]": {metric}, "start": {unix(r.end.Add(-time.Hour))}, "end": {unix(r.end.Add(time.Minute))}}
	if err := r.beside(ctx, readValues, "label/instance/values", span, "example.org"); err != nil {
		return err
	}
	return r.beside(ctx, readSeries, "series", span, metric)
}
