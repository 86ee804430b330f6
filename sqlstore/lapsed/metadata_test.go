package lapsed_test

import (
	"testing"

	"laminar/sqlstore/sqltest"
)

func TestMain(m *testing.M) { sqltest.VerifyTestMain(m) }

// TestMetadataOfNothing: what was said of metrics goes with them, and what was said of names
// that no series has goes after a day; families whose series have other names keep theirs.
func TestMetadataOfNothing(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	for _, name := range []string{"plain", "requests_total", "seconds_bucket", "size_sum", "build_info"} {
		metric, ids := db.AddMetric(name, 1, 1)
		db.Flush(1, sqltest.Points{Metric: metric, Series: ids, Times: []int64{90_000}, Values: []float64{1}})
	}
	db.Exec("insert into metric (name) values ('lapsed')") // without series
	db.Exec("insert into metadata (metric, type, help, unit, changed_at) select n, 'gauge', '', '', clock_timestamp() - interval '2 days' from unnest($1::text[]) n",
		[]string{"plain", "requests", "seconds", "size", "build", "lapsed", "nothing", "second", "requests_total_sum"})
	db.Exec("insert into metadata (metric, type, help, unit) values ('new', 'gauge', '', '')")
	left := func() string {
		return sqltest.ScanOne[string](db, "select string_agg(metric, ' ' order by metric) from metadata")
	}
	remove := func() error {
		return sqltest.Answered(t.Context(), func() error {
			_, err := db.Store.Remover.Remove(t.Context())
			return err
		})
	}
	all := left()
	if err := remove(); err != nil || left() != all {
		t.Errorf("before anything is dropped %s are left of %s: %v", left(), all, err)
	}
	db.Exec("update retention set dropped_t = 1")
	if err := remove(); err != nil || left() != "build new plain requests seconds size" {
		t.Errorf("left are %s: %v", left(), err)
	}
}
