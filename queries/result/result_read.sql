-- result_read: a flow's rows with $1 < window_end <= $2, oldest window first:
-- start and end (ms), label columns, value, histogram. $3 tells its rows. Reads by
-- the primary key.
select (extract(epoch from r.window_start) * 1000)::bigint, (extract(epoch from r.window_end) * 1000)::bigint,
       array[r.label_columns::text]::text[], r.value, (r.histogram).*
from result_table r
where r.window_end > $1::timestamptz and r.window_end <= $2::timestamptz and r.label_columns = $3::text
order by r.window_end, r.window_start
