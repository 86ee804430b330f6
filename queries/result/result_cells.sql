-- result_cells: of each stretch of time $1 < window_end <= $2, two arrays, the ends (ms) of
-- the first and of the last window with a row of the flow, -1 where there is none. $3
-- tells its rows. Reads two rows by the primary key for each stretch.
select coalesce(first.ms, -1), coalesce(last.ms, -1)
from unnest($1::timestamptz[], $2::timestamptz[]) with ordinality as c(after, up_to, n)
left join lateral (
    select (extract(epoch from r.window_end) * 1000)::bigint as ms from result_table r
    where r.window_end > c.after and r.window_end <= c.up_to and r.label_columns = $3::text
    order by r.window_end limit 1) first on true
left join lateral (
    select (extract(epoch from r.window_end) * 1000)::bigint as ms from result_table r
    where r.window_end > c.after and r.window_end <= c.up_to and r.label_columns = $3::text
    order by r.window_end desc limit 1) last on true
order by c.n
