-- dirty_add: puts windows $2 (ends, ms) with group keys $3 on the dirty list of
-- flow $1, for reasons $4, since vectors $5, first and last at $6 and $7 (ms).
-- What is on the list already keeps its reason, and of both vectors the least of each
-- region: a window is due to the first sample that made it dirty, which need not be the
-- one that was noted first. last_at moves.
insert into flow_dirty as d (flow_id, window_end, group_key, reason, since_vector, first_at, last_at)
select distinct on (a.window_end, a.group_key)
       $1::integer, a.window_end, a.group_key, a.reason, a.since::jsonb, a.first_at, a.last_at
from unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
    as a(window_end, group_key, reason, since, first_at, last_at)
order by a.window_end, a.group_key, a.first_at
on conflict (flow_id, window_end, group_key) do update set
    last_at = greatest(d.last_at, excluded.last_at),
    since_vector = case when excluded.since_vector = d.since_vector then d.since_vector else (
        select coalesce(jsonb_object_agg(v.region, least(v.seq::bigint, (excluded.since_vector ->> v.region)::bigint)), '{}')
        from jsonb_each_text(d.since_vector) as v(region, seq)
        where excluded.since_vector ? v.region) end
