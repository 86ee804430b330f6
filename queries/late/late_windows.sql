-- late_windows: the windows of flow $1 that end after $2 and up to $3 (ms) and lack late
-- samples, with group and number, and what they add to its row; and those of stretches that
-- may lack some, of all groups. By the primary key.
select window_end, group_key, samples, value from flow_late
where flow_id = $1::integer and window_end > $2::bigint and window_end <= $3::bigint
union all
select e, '', 0, null
from flow f
cross join lateral generate_series(1, cardinality(f.late_stretches) - 1, 2) n
cross join lateral generate_series(greatest(f.late_stretches[n] / f.step, $2::bigint / f.step) * f.step, least(f.late_stretches[n + 1], $3::bigint), f.step) e
where f.id = $1::integer and e > $2::bigint and e > f.late_stretches[n]
