-- result_at: a flow's rows of the windows that end at $1, $1 + $3 ms, ... up to $2, oldest
-- window first; columns as in result_read. $4 tells its rows. Reads by the primary key, with
-- a probe for each time: it is for who wants few of many windows.
select (extract(epoch from r.window_start) * 1000)::bigint, (extract(epoch from r.window_end) * 1000)::bigint,
       array[r.label_columns::text]::text[], r.value, (r.histogram).*
from generate_series($1::timestamptz, $2::timestamptz, $3::bigint * interval '1 millisecond') as at(window_end)
join result_table r on r.window_end = at.window_end
where true and r.label_columns = $4::text
order by r.window_end, r.window_start
