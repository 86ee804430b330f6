package ingest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"laminar/ingest/budget"
	"laminar/ingest/ingesttest"
	"laminar/ingest/refusal"
	"laminar/ingest/registry"
)

// TestRefusedCreateNothing: series all of whose samples are refused, by time or by
// content, are not remembered, nor are their spellings and metrics.
func TestRefusedCreateNothing(t *testing.T) {
	d := openReceiver(t, Config{Regions: 1}, nil)
	if err := d.post(good); err != nil { // learns the database's clock
		t.Fatal(err)
	}
	future := ingesttest.New(1).Now + 48*3_600_000
	invalid := writev2.Histogram{Count: &writev2.Histogram_CountInt{CountInt: 7}, Timestamp: 1000, Schema: 99}
	for i := range 100 {
		err := d.post(
			ts(fmt.Sprintf("__name__ m%d job a", i), at(future, 1), at(-1, 1)),
			entry{labels: []string{"__name__", "h", "i", fmt.Sprint(i)}, series: writev2.TimeSeries{Histograms: []writev2.Histogram{invalid}}})
		if !errors.Is(err, errRefused) {
			t.Fatalf("answered %v", err)
		}
	}
	if held := d.registry.Held(); held.Series != 1 || held.Spellings != 1 || held.Metrics != 1 || held.Fresh > 1 {
		t.Errorf("%+v is remembered, want what belongs to the good sample", held)
	}
	if err := d.post(ts("__name__ m1 job a", at(future, 1), at(1000, 1))); !errors.Is(err, errRefused) || d.registry.Count() != 2 {
		t.Errorf("with one good sample: answered %v, %d series are remembered", err, d.registry.Count())
	}
}

// TestRefusedByTheFlush: while nothing is known of the database's clock the flush
// refuses, and then, too, nothing is left of series that have no other samples.
func TestRefusedByTheFlush(t *testing.T) {
	d := openReceiver(t, Config{Regions: 1}, nil)
	future := ingesttest.New(1).Now + 48*3_600_000
	var list []entry
	for i := range 100 {
		list = append(list, ts(fmt.Sprintf("__name__ m%d", i), at(future, 1), at(future+1, 1)))
	}
	list = append(list, ts("__name__ m7", at(1000, 1)))
	if err := d.post(list...); !errors.Is(err, errRefused) {
		t.Fatalf("answered %v", err)
	}
	eventually(t, "that only the series with a good sample is remembered", func() bool {
		return d.registry.Count() == 1 && d.registry.Held().Spellings == 1
	})
	for i := range 3 {
		if err := d.post(ts("__name__ m7", at(int64(2000+i), 1)), ts(fmt.Sprintf("__name__ m%d", i), at(int64(3000+i), 1))); err != nil {
			t.Errorf("afterwards answered %v", err)
		}
	}
	if n := len(d.store.Content()); n != 7 {
		t.Errorf("%d samples are stored, want 7", n)
	}
}

// TestSeriesLimits: beyond a limit new series are refused by reason, those that are
// known go on, and what is forgotten makes room.
func TestSeriesLimits(t *testing.T) {
	one := func(metric, i int) entry {
		return ts(fmt.Sprintf("__name__ m%d i %d", metric, i), at(int64(1000+i), 1))
	}
	for name, c := range map[string]struct {
		limits refusal.Limits
		metric func(i int) int
		reason refusal.Reason
		text   string
		taken  int
	}{
		"series":    {refusal.Limits{Series: 3}, func(i int) int { return i }, refusal.TooManySeries, "series is new, and 3 are remembered", 3},
		"bytes":     {refusal.Limits{SeriesBytes: 3 * registry.SeriesBytes}, func(i int) int { return i }, refusal.TooManySeries, "take 576 bytes", 3},
		"of metric": {refusal.Limits{SeriesOfMetric: 2}, func(i int) int { return i / 5 }, refusal.TooManyOfMetric, "its metric has 2", 4},
		"new":       {refusal.Limits{NewSeries: 3}, func(i int) int { return i }, refusal.TooManyNew, "3 were created in this minute", 3},
	} {
		t.Run(name, func(t *testing.T) {
			d := openReceiver(t, Config{Regions: 2, Limits: c.limits}, nil)
			taken := map[int]bool{}
			for i := range 10 {
				err := d.post(one(c.metric(i), i))
				if err == nil {
					taken[i] = true
				} else if !errors.Is(err, errRefused) || !strings.Contains(err.Error(), c.text) {
					t.Errorf("series %d: answered %v, want %q", i, err, c.text)
				}
			}
			if name == "bytes" { // how many fit depends on the labels
				c.taken = len(taken)
			}
			if len(taken) != c.taken || len(taken) == 10 || len(taken) == 0 {
				t.Errorf("%d series were taken, want %d", len(taken), c.taken)
			}
			if n := int64(len(taken)); d.registry.Count() != n {
				t.Errorf("%d series are remembered, want %d", d.registry.Count(), n)
			}
			for i := range taken {
				e := one(c.metric(i), i)
				e.series.Samples[0].Timestamp += 50
				if err := d.post(e); err != nil {
					t.Errorf("known series %d: answered %v", i, err)
				}
			}
			hist := entry{labels: []string{"__name__", fmt.Sprintf("m%d", c.metric(9)), "i", "h"}}
			hist.series.Histograms = []writev2.Histogram{writev2.FromIntHistogram(0, 2000, &histogram.Histogram{Sum: 1})}
			if err := d.post(hist); !errors.Is(err, errRefused) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("a histogram: answered %v", err)
			}
		})
	}
}

// TestRequestsUnderWay: as many requests as are allowed may be under way, and each
// counts from its beginning.
func TestRequestsUnderWay(t *testing.T) {
	d := openReceiver(t, Config{Regions: 1, MaxRequests: 2}, nil)
	one, err := d.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	two, err := d.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if used := d.budget.Used(); used != 2*budget.RequestBytes {
		t.Errorf("%d bytes are counted", used)
	}
	if _, err := d.Begin(t.Context()); !errors.Is(err, budget.ErrBusy) {
		t.Errorf("a third request: %v", err)
	}
	one.End()
	if err := d.post(good); err != nil {
		t.Errorf("after one has ended: %v", err)
	}
	two.End()
	if used := d.budget.Used(); used != 0 {
		t.Errorf("%d bytes are still counted", used)
	}
}
