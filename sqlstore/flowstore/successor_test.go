package flowstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/resulttable"
	"laminar/sqlstore/sqltest"
)

// madeByPeople is what the tests give to table flow.a and make of it.
var madeByPeople = []string{
	`grant select on flow.a to "Lesender"`,
	`grant select, references on flow.a to peer with grant option`,
	`grant select (value) on flow.a to narrow`,
	`comment on column flow.a.value is 'requests per second; it''s a rate'`,
	`create index by_value on flow.a (value) where value > 0`,
	`comment on index flow.by_value is 'for the top list'`,
	`alter table flow.a add constraint sane check (value > -1e300)`,
	`create schema if not exists people`,
	`create view people.shown with (security_barrier=true) as select window_end as at, value from flow.a`,
	`create view people."On Top" as select at, max(value) as v from people.shown group by at`,
	`grant select on people."On Top" to "Lesender"`,
	`comment on view people.shown is 'the dashboard''s'`,
	`alter view people.shown owner to peer`,
	`grant usage on schema people to peer`,
}

// inventory is all that madeByPeople makes, as the catalogue has it.
const inventory = `
select string_agg(x, E'\n' order by x) from (
    select c.relname || ' ' || c.relkind::text || ' ' || pg_get_userbyid(c.relowner) || ' ' || coalesce(c.reloptions::text, '') || ' '
        || coalesce((select string_agg(u::text, ',' order by u::text) from unnest(c.relacl) u where u::text not like pg_get_userbyid(c.relowner) || '=%'), '')
        || ' ' || coalesce(obj_description(c.oid, 'pg_class'), '') || ' ' || coalesce(pg_get_viewdef(c.oid), '')
    from pg_class c where c.relname in ('a', 'by_value', 'shown', 'On Top')
    union all
    select attname || ' ' || coalesce(attacl::text, '') || ' ' || coalesce(col_description(attrelid, attnum), '')
    from pg_attribute where attrelid = to_regclass('flow.a') and attname = 'value'
    union all
    select pg_get_indexdef(indexrelid) from pg_index where indexrelid = to_regclass('flow.by_value')
    union all
    select conname || pg_get_constraintdef(oid) from pg_constraint where conrelid = to_regclass('flow.a') and contype = 'c'
) as t(x)`

// role makes a role that the test ends with; roles belong to the server, so another
// test may have made it.
func role(db *sqltest.RawDB, names ...string) {
	db.Helper()
	for _, name := range names {
		db.Exec(`do $$ begin create role ` + name + `; exception when duplicate_object or unique_violation then null; end $$`)
	}
}

// TestReplaceKeepsWhatPeopleMade: grants, comments, indexes, constraints and views
// are there after a definition is replaced, whether its table has the same columns
// or others, and default privileges add nothing to them.
func TestReplaceKeepsWhatPeopleMade(t *testing.T) {
	for name, promql := range map[string]string{"same columns": "max by (i) (m)", "other columns": "max by (i, j) (m)"} {
		t.Run(name, func(t *testing.T) {
			db := sqltest.NewRawDB(t, 1)
			role(db, `"Lesender"`, "peer", "narrow", "newcomer")
			db.Apply(sqltest.FlowFor(t, "a", "sum by (i) (m)"))
			db.Take("a")
			for _, sql := range madeByPeople {
				db.Exec(sql)
			}
			db.Exec("alter default privileges in schema flow grant select on tables to newcomer")
			db.Exec("insert into flow.a values (now(), now(), 'x', 1)")
			before := sqltest.ScanOne[string](db, inventory)
			if n := strings.Count(before, "\n"); n < 6 {
				t.Fatalf("the inventory is poor:\n%s", before)
			}
			results, err := db.Store.Catalogue.Apply(t.Context(), []flowdef.Flow{sqltest.FlowFor(t, "a", promql)}, flowstore.ApplyOptions{Replace: true})
			if err != nil {
				t.Fatal(err)
			}
			if len(results[0].Lost) > 0 {
				t.Errorf("lost: %v", results[0].Lost)
			}
			if after := sqltest.ScanOne[string](db, inventory); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
			db.Take("a")
			if n := sqltest.ScanOne[int64](db, `select count(*) from people."On Top"`); n != 0 {
				t.Errorf("the view shows %d rows of the old results", n)
			}
		})
	}
}

// TestReplaceNamesWhatIsLost: what reads a column that goes, and what cannot be
// copied, stops the replacement and is named; with cascade it goes and is named.
func TestReplaceNamesWhatIsLost(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	db.Apply(sqltest.FlowFor(t, "a", "sum by (i) (m)"))
	db.Take("a")
	db.Exec("create view shown as select i, value from flow.a")
	db.Exec("create materialized view kept as select value from flow.a")
	db.Exec("create index by_i on flow.a (i)")
	db.Exec("create function refuse() returns trigger language plpgsql as 'begin return new; end'")
	db.Exec("create trigger watch before insert on flow.a for each row execute function refuse()")
	db.Exec("create policy narrow on flow.a using (true)")
	db.Exec("insert into flow.a values (now(), now(), 'x', 1)")
	apply := func(cascade bool) ([]flowstore.ApplyResult, error) {
		return db.Store.Catalogue.Apply(t.Context(), []flowdef.Flow{sqltest.FlowFor(t, "a", "max by (j) (m)")},
			flowstore.ApplyOptions{Replace: true, Cascade: cascade})
	}
	want := []string{"shown", "kept", "by_i", "watch", "narrow"}
	_, err := apply(false)
	var lost *resulttable.LostError
	if !errors.As(err, &lost) || !strings.Contains(lost.Hint(), "--cascade") || len(lost.Lost) != len(want) {
		t.Fatalf("got %v, want %v to be named", err, want)
	}
	if sqltest.ScanOne[int64](db, "select count(*) from shown") != 1 {
		t.Error("something has changed although it was refused")
	}
	results, err := apply(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range want {
		if said := strings.Join(results[0].Lost, "; "); !strings.Contains(said, name) {
			t.Errorf("lost %s is not named: %s", name, said)
		}
	}
	db.Take("a")
}

// TestReplaceSwapsTables: two flows that take each other's table in one go keep
// their grants with the flow.
func TestReplaceSwapsTables(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	role(db, "reader_of_one", "reader_of_two")
	flow := func(name, table, promql string) flowdef.Flow {
		f := sqltest.FlowFor(t, name, promql)
		f.Table = table
		return f
	}
	db.Apply(flow("one", "first", "sum by (i) (m)"), flow("two", "second", "sum by (j) (m)"))
	db.Take("one")
	db.Take("two")
	db.Exec("grant select on flow.first to reader_of_one")
	db.Exec("grant select on flow.second to reader_of_two")
	_, err := db.Store.Catalogue.Apply(context.Background(),
		[]flowdef.Flow{flow("one", "second", "max by (i) (m)"), flow("two", "first", "max by (j) (m)")}, flowstore.ApplyOptions{Replace: true})
	if err != nil {
		t.Fatal(err)
	}
	db.Take("one")
	db.Take("two")
	for role, table := range map[string]string{"reader_of_one": "second", "reader_of_two": "first"} {
		other := map[string]string{"first": "second", "second": "first"}[table]
		if !sqltest.ScanOne[bool](db, "select has_table_privilege('"+role+"', 'flow."+table+"', 'select')") ||
			sqltest.ScanOne[bool](db, "select has_table_privilege('"+role+"', 'flow."+other+"', 'select')") {
			t.Errorf("%s does not read %s alone", role, table)
		}
	}
}
