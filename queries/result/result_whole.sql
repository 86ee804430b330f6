-- result_whole: write complete windows: change, insert and delete what differs
-- from what is there, and give which rows these are: each with the end of its
-- window (ms), 1, and the label columns. Of more than 10,000 only how many they are
-- of each window.
--   $1, $2  window_start and window_end of the windows
--   $3, $4  of the rows: number of the window, from 1, and value
--   $5      of the rows that must not be there: number of the window
--   $6, $7  label columns of the rows, and of those that must not be there
--   $8      what tells the flow's rows: others are another flow's
--   $9      of the rows: the histogram, null where there is a value
-- What is there and what is to be there are joined once, in found; what has to
-- be inserted or deleted is looked for only when the counts say that there is
-- something. Reads the windows by the primary key. It must run with
-- enable_nestloop off: nothing is known of windows written a moment ago, the
-- planner expects one row of them, and a nested loop over 100,000 rows that
-- were expected to be one takes minutes.
-- The parameters are unnested in the select list, where they stream.
with fresh as materialized (
    select ($1::timestamptz[])[u.win] as window_start, ($2::timestamptz[])[u.win] as window_end, u.*
    from (select unnest($3::integer[]) as win, unnest($4::float8[]) as value, unnest($6::text[])::text as label_columns, unnest($9::text[])::histogram as histogram) u
), absent as materialized (
    select ($2::timestamptz[])[u.win] as window_end, u.*
    from (select unnest($5::integer[]) as win, unnest($7::text[])::text as label_columns) u
), found as materialized (
    select r.ctid as at, n.*, (r.value, r.histogram) is distinct from (n.value, n.histogram) or r.window_start <> n.window_start as differs
    from result_table r join fresh n on (r.window_end, r.label_columns) = (n.window_end, n.label_columns)
    where r.window_end = any($2::timestamptz[])
), gone as (
    delete from result_table r using absent a
    where r.window_end = any($2::timestamptz[]) and (r.window_end, r.label_columns) = (a.window_end, a.label_columns)
      and r.label_columns = $8::text
    returning r.window_end, r.label_columns
), deleted as (
    delete from result_table r
    where r.window_end = any($2::timestamptz[]) and r.label_columns = $8::text
      and (select count(*) from found) < (select count(*) from result_table o
                                          where o.window_end = any($2::timestamptz[]) and o.label_columns = $8::text)
      and not exists (select from fresh n where (n.window_end, n.label_columns) = (r.window_end, r.label_columns))
    returning r.window_end, r.label_columns
), changed as (
    update result_table r set value = f.value, window_start = f.window_start, histogram = f.histogram from found f
    where f.differs and r.ctid = f.at and (r.window_end, r.label_columns) = (f.window_end, f.label_columns)
      and r.ctid = any(array(select f.at from found f where f.differs))
    returning r.window_end, r.label_columns
), added as (
    insert into result_table as r (window_start, window_end, value, label_columns, rule_column, histogram)
    select n.window_start, n.window_end, n.value, n.label_columns, 0::smallint as rule_column, n.histogram from fresh n
    where (select count(*) from found) < (select count(*) from fresh)
      and not exists (select from found f where (f.window_end, f.label_columns) = (n.window_end, n.label_columns))
    on conflict (window_end, label_columns) do update set value = excluded.value, window_start = excluded.window_start, histogram = excluded.histogram
    where (r.value, r.histogram) is distinct from (excluded.value, excluded.histogram) or r.window_start <> excluded.window_start
    returning r.window_end, r.label_columns
), touched as materialized (
    select * from deleted
    union all select * from gone
    union all select * from changed
    union all select * from added
)
select (extract(epoch from t.window_end) * 1000)::bigint as window_end_ms, 1::bigint as n, array[t.label_columns::text]::text[] as label_array
from touched t where (select count(*) from touched) <= 10000
union all
select (extract(epoch from t.window_end) * 1000)::bigint, count(*), null
from touched t where (select count(*) from touched) > 10000 group by t.window_end
