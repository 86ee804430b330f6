-- result_windows: a flow's rows of the windows with the ends $1, oldest window first, at
-- most $2: end and start (ms), label columns, value, histogram. $3 tells its rows. Reads by the
-- primary key.
select (extract(epoch from r.window_end) * 1000)::bigint, (extract(epoch from r.window_start) * 1000)::bigint, array[r.label_columns::text]::text[], r.value, (r.histogram).*
from result_table r
where r.window_end = any($1::timestamptz[]) and r.label_columns = $3::text
order by r.window_end
limit $2::integer
