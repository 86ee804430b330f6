-- result_groups: a flow's rows with $1 < window_end <= $2 by group, for who reads results
-- as series: label columns, ends of windows and values, the i-th of each belonging
-- together, in no order. Of more than $3 rows some $3 are given: all of them are in
-- PostgreSQL's memory at once. Only for tables without histograms and rules' numbers. $4
-- tells its rows, or those of some groups of it. Reads by the primary key. There may be no label columns: what else it
-- groups by is the same for all rows.
select array[r.label_columns::text]::text[], array_agg(r.window_end), array_agg(coalesce(r.value, 0))
from (
    select r.window_end, r.value, r.label_columns from result_table r
    where r.window_end > $1::timestamptz and r.window_end <= $2::timestamptz and r.label_columns = $4::text
    limit $3::bigint
) r
group by r.window_end is null, r.label_columns
