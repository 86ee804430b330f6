-- late_add: the windows $2 (ends, ms) of flow $1 lack $4 more samples of the groups $3.
-- In the transaction that moves the flow over the samples (I4), so that none is counted
-- twice. What ends before $5 (ms) is forgotten: raw samples of it are gone, and nothing
-- can take them in; or its rows are not kept.
with forgotten as (
    delete from flow_late where flow_id = $1::integer and window_end < $5::bigint
)
insert into flow_late as l (flow_id, window_end, group_key, samples)
select $1::integer, a.window_end, a.group_key, a.samples
from unnest($2::bigint[], $3::text[], $4::bigint[]) as a(window_end, group_key, samples)
where a.window_end >= $5::bigint
on conflict (flow_id, window_end, group_key) do update set samples = l.samples + excluded.samples
