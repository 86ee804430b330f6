-- dirty_remove: takes the windows $2 (ends, ms) with group keys $3 off the dirty
-- list of flow $1. The key '' stands for the whole window, which has been
-- recomputed for all its groups, so entries of single groups go with it.
delete from flow_dirty d
using unnest($2::bigint[], $3::text[]) as k(window_end, group_key)
where d.flow_id = $1::integer and d.window_end = k.window_end and k.group_key in ('', d.group_key)
