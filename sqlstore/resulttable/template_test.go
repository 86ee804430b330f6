package resulttable

import (
	"strings"
	"testing"

	queries "laminar/queries/result"
)

// TestExpand spells every stand-in for every kind of table: with a column for
// each label, with one column for all, with no labels, alone and shared.
func TestExpand(t *testing.T) {
	columns := columnsIn{table: `"flow"."f"`, labels: []string{`"a"`, `"b"`}}
	shared := columnsIn{table: `"flow"."f"`, labels: []string{`"a"`, `"env"`, `"zone"`}, static: []string{`"env"`, `"zone"`}}
	labels := columnsIn{table: `"flow"."f"`, labels: []string{`"labels"`}, static: []string{`"labels"`}, json: true}
	none := columnsIn{table: `"flow"."f"`}
	for _, c := range []struct {
		name, template string
		in             columnsIn
		want           string
	}{
		{"comments go", "-- x: result_table\nselect 1 -- kept\n  -- gone\nfrom result_table r", columns, "select 1 -- kept\nfrom \"flow\".\"f\" r"},
		{"a list", "(window_end, label_columns)", columns, `(window_end, "a", "b")`},
		{"a list of no columns", "(window_end, label_columns)", none, `(window_end)`},
		{"a list with an alias", "select n.value, n.label_columns from x n", columns, `select n.value, n."a", n."b" from x n`},
		{"keys", "(r.t, r.label_columns) = (n.t, n.label_columns)", columns, `(r.t, r."a", r."b") = (n.t, n."a", n."b")`},
		{"as texts", "array[r.label_columns::text]::text[]", columns, `array[r."a"::text, r."b"::text]::text[]`},
		{"as no texts", "array[r.label_columns::text]::text[]", none, `array[]::text[]`},
		{
			"arrays", "unnest($5::int[]) as n, unnest($6::text[])::text as label_columns; unnest($7::text[])::text as x, unnest($7::text[])::text as label_columns", columns,
			`unnest($5::int[]) as n, unnest($6::text[])::text as "a", unnest($7::text[])::text as "b"; unnest($7::text[])::text as x, unnest($8::text[])::text as "a", unnest($9::text[])::text as "b"`,
		},
		{"one array of objects", "select 1, unnest($6::text[])::text as label_columns", labels, `select 1, unnest($6::text[])::jsonb as "labels"`},
		{"all rows are the flow's", "where true\n  and r.label_columns = $8::text limit 1", columns, "where true limit 1"},
		{"static labels", "where true and r.label_columns = $1::text", shared, `where true and r."env" = $1::text and r."zone" = $2::text`},
		{"static labels in an object", "where true and o.label_columns = $3::text", labels, `where true and o."labels" @> $3::jsonb`},
		{
			"numbers go on", ", unnest($6::text[])::text as label_columns, unnest($7::text[])::text as label_columns and r.label_columns = $8::text", shared,
			`, unnest($6::text[])::text as "a", unnest($7::text[])::text as "env", unnest($8::text[])::text as "zone"` +
				`, unnest($9::text[])::text as "a", unnest($10::text[])::text as "env", unnest($11::text[])::text as "zone" and r."env" = $12::text and r."zone" = $13::text`,
		},
		{
			"a definition", "(\n    t timestamptz,\n    label_columns text not null default '',\n    primary key (t, label_columns))", columns,
			"(\n    t timestamptz,\n    \"a\" text not null default '',\n    \"b\" text not null default '',\n    primary key (t, \"a\", \"b\"))",
		},
		{"a definition of an object", "(t int,\n    label_columns text not null default '',\n)", labels, "(t int,\n    \"labels\" jsonb not null default '{}',\n)"},
		{
			"no histograms", "select (r.value, r.histogram), (r.histogram).*, unnest($7::text[])::text as label_columns, unnest($8::text[])::histogram as histogram, n.histogram, histogram = n.histogram from x", columns,
			`select (r.value), (null::histogram).*, unnest($7::text[])::text as "a", unnest($8::text[])::text as "b" from x`,
		},
		{
			"histograms", "select (r.value, r.histogram), (r.histogram).*, unnest($7::text[])::text as label_columns, unnest($8::text[])::histogram as histogram, n.histogram, histogram = n.histogram from x",
			columnsIn{table: `"flow"."f"`, labels: []string{`"a"`, `"b"`}, histograms: true},
			`select (r.value, r.histogram), (r.histogram).*, unnest($7::text[])::text as "a", unnest($8::text[])::text as "b", unnest($9::text[])::histogram as histogram, n.histogram, histogram = n.histogram from x`,
		},
		{
			"names like stand-ins", "from result_table r, x, r.label_columns", columnsIn{table: `"result_table"`, labels: []string{`", label_columns"`}},
			`from "result_table" r, x, r.", label_columns"`,
		},
	} {
		if got := c.in.expand(c.template); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

// TestEveryStandInIsKnown: no statement about result tables is left with a
// stand-in that was not understood.
func TestEveryStandInIsKnown(t *testing.T) {
	table := Table{in: columnsIn{table: "t", labels: []string{"a", "b"}, static: []string{"a"}}}
	for name, template := range map[string]string{
		"whole": queries.ResultWhole, "many": queries.ResultMany, "few": queries.ResultFew, "gone": queries.ResultGone, "new": queries.ResultNew, "copy": queries.ResultCopy,
		"clear": queries.ResultClear, "expire": queries.ResultExpire, "oldest": queries.ResultOldest, "read": queries.ResultRead, "create": queries.ResultCreate,
	} {
		sql := table.in.expand(template)
		if strings.Contains(sql, "label_columns") || strings.Contains(sql, "result_table") || strings.Contains(sql, "--") || !strings.Contains(sql, "t") {
			t.Errorf("result_%s is left as\n%s", name, sql)
		}
	}
}
