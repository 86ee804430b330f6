-- dirty_add: puts windows $2 (ends, ms) with group keys $3 on the dirty list of
-- flow $1, for reasons $4, since vectors $5, first and last at $6 and $7 (ms).
-- What is on the list already keeps its reason and since: a window is due to
-- the first sample that made it dirty; only last_at moves.
insert into flow_dirty as d (flow_id, window_end, group_key, reason, since_vector, first_at, last_at)
select distinct on (a.window_end, a.group_key)
       $1::integer, a.window_end, a.group_key, a.reason, a.since::jsonb, a.first_at, a.last_at
from unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
    as a(window_end, group_key, reason, since, first_at, last_at)
order by a.window_end, a.group_key, a.first_at
on conflict (flow_id, window_end, group_key) do update set last_at = greatest(d.last_at, excluded.last_at)
