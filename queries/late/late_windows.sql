-- late_windows: the windows of flow $1 that end after $2 and up to $3 (ms) and lack late
-- samples, with group and number, and what they add to its row. By the primary key.
select window_end, group_key, samples, value from flow_late
where flow_id = $1::integer and window_end > $2::bigint and window_end <= $3::bigint
