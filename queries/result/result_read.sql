-- result_read: a flow's rows with $1 < window_end <= $2, oldest window first:
-- start and end (ms), value, label columns, histogram. $3 is its static labels. Reads by
-- the primary key.
select (extract(epoch from r.window_start) * 1000)::bigint, (extract(epoch from r.window_end) * 1000)::bigint, r.value,
       array[r.label_columns::text]::text[], (r.histogram).*
from result_table r
where r.window_end > $1::timestamptz and r.window_end <= $2::timestamptz and r.label_columns = $3::text
order by r.window_end, r.window_start
