-- result_groups: a flow's rows with $1 < window_end <= $2 by group, for who reads results
-- as series: label columns, ends of windows and values, the i-th of each belonging
-- together, in no order. Only for tables without histograms and rules' numbers. $3 tells
-- its rows. Reads by the primary key. There may be no label columns: tableoid is the same
-- for all rows.
select array[r.label_columns::text]::text[], array_agg(r.window_end), array_agg(coalesce(r.value, 0))
from result_table r
where r.window_end > $1::timestamptz and r.window_end <= $2::timestamptz and r.label_columns = $3::text
group by r.tableoid, r.label_columns
