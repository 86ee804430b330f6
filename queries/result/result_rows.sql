-- result_rows: those of a flow's rows that have a window end and labels out of a list:
-- the number in the list, from 1, window_start (ms), value, histogram. $4 tells its rows.
--   $1  the ends of windows
--   $2  of the rows: number of the window, from 1
--   $3  label columns of the rows
-- Looks for each row in the primary key.
with wanted as materialized (
    select ($1::timestamptz[])[u.win] as window_end, u.*
    from (select unnest($2::integer[]) as win, generate_subscripts($2::integer[], 1) as at, unnest($3::text[])::text as label_columns) u
)
select n.at, (extract(epoch from r.window_start) * 1000)::bigint, r.value, (r.histogram).*
from wanted n
cross join lateral (select o.window_start, o.value, o.histogram from result_table o
                    where (o.window_end, o.label_columns) = (n.window_end, n.label_columns) and o.label_columns = $4::text limit 1) r
