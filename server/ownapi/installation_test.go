package ownapi_test

import (
	"testing"
	"time"

	"laminar/server/view"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// TestStorage: metrics take what their segments take, hot or sealed; generations and regions
// are those that there are. Segments of tables that were never analyzed are counted.
func TestStorage(t *testing.T) {
	w := newWorld(t, rateFlow)
	big, series := w.AddMetric("big", 2, 3)
	p := sqltest.Points{Metric: big}
	for i := range 3000 {
		p.Series, p.Times, p.Values = append(p.Series, series[i%3]), append(p.Times, w.base+30*minute+int64(i)*second/2), append(p.Values, float64(i))
	}
	w.Flush(2, p)
	check := func(when string, hot bool) {
		t.Helper()
		var st view.StorageSeen
		w.until("PostgreSQL has counted the segments", func() bool {
			w.Exec("select 1") // after a transaction a connection says what it has written, if that is a second ago
			st = get[view.StorageSeen](w, "storage")
			if hot {
				return st.Raw.HotSegments == 2 && len(st.Generations) == 1 && st.Generations[0].Segments == 2
			}
			return st.Raw.SealedSegments == 2
		})
		if len(st.Metrics) != 2 || st.Metrics[0].Metric != "big" || len(st.Regions) != 2 || st.MetricsMore != 0 {
			t.Fatalf("%s: the storage is %+v", when, st)
		}
		of := map[string]int64{}
		for _, s := range w.Samples {
			of[map[bool]string{true: "big", false: "requests_total"}[s.Metric == big]]++
		}
		for _, m := range st.Metrics {
			if m.Samples != of[m.Metric] || m.Segments != 1 || m.Bytes <= 0 || m.BytesPerSample != float64(m.Bytes)/float64(m.Samples) {
				t.Errorf("%s: %+v, of %d samples", when, m, of[m.Metric])
			}
		}
		if st.Metrics[0].Series != 3 || st.Metrics[1].Series != 4 {
			t.Errorf("%s: series of %+v", when, st.Metrics)
		}
		if len(st.Generations) != 1 || st.Generations[0].State != "current" || st.Generations[0].Bytes <= 0 || (st.Raw.SealedBytes > 0) == hot {
			t.Errorf("%s: generations %+v, sealed %d bytes", when, st.Generations, st.Raw.SealedBytes)
		}
	}
	check("hot", true)
	w.caughtUp("requests:rate1m", w.base+59*minute+30*second)
	w.stop()
	if _, err := w.Store.Keeper.Seal(t.Context(), raw.SealOptions{Force: true, Wait: 10 * time.Second}); err != nil {
		t.Fatal(err)
	}
	check("sealed", false)

	if _, _, err := w.Store.Senders.Elect(t.Context(), "eu", "replica-a", time.Minute); err != nil {
		t.Fatal(err)
	}
	s := get[view.Senders](w, "senders")
	if len(s.Pairs) != 1 || s.Pairs[0].Cluster != "eu" || s.Pairs[0].Elected != "replica-a" || s.Pairs[0].Since == view.None || s.Senders == nil {
		t.Errorf("the senders are %+v", s)
	}
}
