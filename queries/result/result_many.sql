-- result_many: write many rows of windows that are not complete, and give which
-- rows were inserted, changed or deleted. Parameters $1 to $9, and what is given,
-- are those of result_whole, and enable_nestloop must be off as for it.
-- It expects that the rows are there and have changed; only when that is not so
-- of all of them it looks for the others. It reads all rows of the windows, by
-- the primary key: result_few is for few rows.
with fresh as materialized (
    select ($1::timestamptz[])[u.win] as window_start, ($2::timestamptz[])[u.win] as window_end, u.*
    from (select unnest($3::integer[]) as win, unnest($4::float8[]) as value, unnest($6::text[])::text as label_columns, unnest($9::text[])::histogram as histogram) u
), absent as materialized (
    select ($2::timestamptz[])[u.win] as window_end, u.*
    from (select unnest($5::integer[]) as win, unnest($7::text[])::text as label_columns) u
), gone as (
    delete from result_table r using absent a
    where r.window_end = any($2::timestamptz[]) and (r.window_end, r.label_columns) = (a.window_end, a.label_columns)
      and r.label_columns = $8::text
    returning r.window_end, r.label_columns
), changed as (
    update result_table r set value = n.value, window_start = n.window_start, histogram = n.histogram from fresh n
    where r.window_end = any($2::timestamptz[]) and (r.window_end, r.label_columns) = (n.window_end, n.label_columns)
      and ((r.value, r.histogram) is distinct from (n.value, n.histogram) or r.window_start <> n.window_start)
    returning r.window_end, r.label_columns
), added as (
    insert into result_table as r (window_start, window_end, value, label_columns, rule_column, histogram)
    select n.window_start, n.window_end, n.value, n.label_columns, 0::smallint as rule_column, n.histogram from fresh n
    where (select count(*) from changed) < (select count(*) from fresh)
      and not exists (select from result_table o
                      where o.window_end = any($2::timestamptz[]) and (o.window_end, o.label_columns) = (n.window_end, n.label_columns))
    on conflict (window_end, label_columns) do update set value = excluded.value, window_start = excluded.window_start, histogram = excluded.histogram
    where (r.value, r.histogram) is distinct from (excluded.value, excluded.histogram) or r.window_start <> excluded.window_start
    returning r.window_end, r.label_columns
), touched as materialized (
    select * from gone
    union all select * from changed
    union all select * from added
)
select (extract(epoch from t.window_end) * 1000)::bigint as window_end_ms, 1::bigint as n, array[t.label_columns::text]::text[] as label_array
from touched t where (select count(*) from touched) <= 10000
union all
select (extract(epoch from t.window_end) * 1000)::bigint, count(*), null
from touched t where (select count(*) from touched) > 10000 group by t.window_end
