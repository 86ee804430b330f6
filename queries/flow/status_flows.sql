-- status_flows: every flow with its progress, the regions' lead over it in
-- sequences, the age of what it has not read yet, and its dirty windows by
-- reason. The age is that of the oldest flush it has not read, found by the
-- primary key of flush.
select f.id, f.fence_group, f.definition, f.table_schema, f.table_name, f.epoch, f.vector, f.flushes,
       coalesce(f.emitted_until, -1), coalesce(f.newest_t, -1), coalesce(f.newest_at, -1), coalesce(f.watermark, -1),
       coalesce(f.error, ''),
       (extract(epoch from f.created_at) * 1000)::bigint, (extract(epoch from f.updated_at) * 1000)::bigint,
       coalesce((select sum(greatest(r.last_seq - coalesce((f.vector ->> r.id::text)::bigint, 0), 0)) from region r), 0)::bigint,
       coalesce((select (extract(epoch from clock_timestamp() - min(u.committed_at)) * 1000)::bigint
                 from region r
                 join flush u on u.region = r.id and u.seq = coalesce((f.vector ->> r.id::text)::bigint, 0) + 1), 0),
       coalesce((select jsonb_object_agg(d.reason, d.n)
                 from (select reason, count(distinct window_end) as n from flow_dirty where flow_id = f.id group by reason) d), '{}'),
       (select count(*) from job j where j.flow_id = f.id and j.state in ('queued', 'running')),
       coalesce(pg_total_relation_size(to_regclass(format('%I.%I', f.table_schema, f.table_name))), 0)
from flow f
order by f.id
