package changes_test

import (
	"io/fs"
	"slices"
	"testing"
	"time"

	"laminar/flownode/changelog"
	"laminar/flownode/progress"
	"laminar/migrations"
	"laminar/sqlstore/sqltest"
)

// TestUpgradeWithALog: a log of schema version 19, which has an entry for each window, says
// after the upgrade what it said before; and a newer one says the same when it goes back.
// The migrations on the way run over rows that flows have.
func TestUpgradeWithALog(t *testing.T) {
	p := newPruned(t)
	p.put(5, "a", 1, false)
	p.put(5, "b", 2, false)
	several := func(v float64) {
		var windows []progress.Window
		for n := int64(6); n <= 8; n++ {
			windows = append(windows, progress.Window{Start: (n - 1) * sqltest.Minute, End: n * sqltest.Minute, Rows: []progress.Row{sqltest.Row("a", v)}})
		}
		sqltest.CommitOne(t, p.Store, p.rounds.Next(windows...))
	}
	several(3)
	p.put(7, "b", 4, true)
	several(5)
	id := int32(p.rounds.Flow.ID)
	shared := func() int {
		return sqltest.ScanOne[int](p.RawDB, "select count(*) from flow_change where more is not null")
	}
	said := func() (out [5][]string) {
		for after := range out {
			_, out[after], _ = p.since(changelog.Position(after))
		}
		return out
	}
	if shared() == 0 {
		t.Fatal("no windows share an entry")
	}
	want := said()
	back := []string{"0024_late_bounds", "0023_flow_group", "0022_flow_late", "0021_flow_sources", "0020_change_windows"}
	for range 2 {
		p.Exec("insert into flow_late (flow_id, window_end, group_key, samples, value, columns) values ($1, 60000, '', 1, null, null), ($1, 60000, 'x', 1, 2, '[\"x\"]')", id)
		p.Exec("insert into flow_group (flow_id, place, group_key) values ($1, 0, '{}')", id)
		p.Exec("insert into flow_late_sample (flow_id, series_id, labels, ts, value, first_end, last_end, at) values ($1, 1, '{}', 0, 0, 60000, 60000, db_clock())", id)
		url := p.Store.Pool().Config().ConnString()
		for _, name := range back {
			text, err := fs.ReadFile(migrations.FS, name+".down.sql")
			if err != nil {
				t.Fatal(err)
			}
			sqltest.Run(t, url, "set search_path = laminar; "+string(text))
		}
		sqltest.Run(t, url, "update laminar.schema_migrations set version = 19; delete from laminar.installed_code")
		if n := p.entries(5); n != 2+3+1+3 {
			t.Fatalf("version 19 has %d entries", n)
		}
		if err := p.Store.Schema.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := said(); !slices.EqualFunc(got[:], want[:], slices.Equal) {
			t.Fatalf("after the upgrade the log says %v, before it %v", got, want)
		}
		if n := sqltest.ScanOne[int](p.RawDB, "select (select count(*) from late_window) + (select count(*) from late_sample)"); n != 0 {
			t.Errorf("%d late windows and samples are left", n)
		}
	}

	// What commits add goes on where the old log ends, and all of it is merged.
	several(6)
	if stand, got, err := p.since(5); err != nil || stand.Position != 6 || len(got) != 3 || shared() == 0 {
		t.Errorf("at %+v the log says %v, %v", stand, got, err)
	}
	p.age(2*time.Hour, 24*time.Hour)
	if n := p.entries(6); n != 4 {
		t.Errorf("%d entries of 4 windows are left", n)
	}
	if _, got, err := p.since(0); err != nil || len(got) != 4 {
		t.Errorf("after pruning the log says %v, %v", got, err)
	}
}
