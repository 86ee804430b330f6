-- late_add: the windows $2 (ends, ms) of flow $1 lack $4 more samples of the groups $3.
-- In the transaction that moves the flow over the samples (I4), so that none is counted
-- twice.
with added as (
    insert into flow_late as l (flow_id, window_end, group_key, samples)
    select $1::integer, a.window_end, a.group_key, a.samples
    from unnest($2::bigint[], $3::text[], $4::bigint[]) as a(window_end, group_key, samples)
    on conflict (flow_id, window_end, group_key) do update set samples = l.samples + excluded.samples
    returning l.xmax = 0 as fresh
)
update flow set late_noted = late_noted + (select count(*) from added where fresh) where id = $1::integer
