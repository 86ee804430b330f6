-- status_flows: every flow with its progress, the regions' lead over it in
-- sequences, the age of what it has not read yet, its dirty windows by reason,
-- and why it stands still. The age is that of the oldest flush it has not read,
-- found by the primary key of flush. Last come rows that do not stand in the flow's table
-- because another rule gives them otherwise: how many, the newest window of them (ms), and
-- the first of that in words; then how many samples came too late for closed windows, and
-- how many windows lack some, with the stretches of further ones that may; and whether groups beyond max_groups are folded into one.
-- A flow stands still when its flownode says so, or when nobody has moved it for
-- 10 s and its trigger's interval although there is something to read: then its
-- flownode is gone, hangs, or cannot write. Triggers that count, or follow a
-- schedule, may let samples wait. A watermark that is a minute ahead of the clock is an
-- error of a flow, too: it never is unless the clock has been set back.
with unread as (
    select f.id, min(u.committed_at) as since
    from flow f
    cross join region r
    join flush u on u.region = r.id and u.seq = coalesce((f.vector ->> r.id::text)::bigint, 0) + 1
    group by f.id
), unmoved as (
    select f.id, format('no flownode has moved it for %s s', floor(extract(epoch from db_clock() - greatest(f.updated_at, u.since)))) as error
    from flow f
    join unread u on u.id = f.id
    where not f.definition -> 'trigger' ?| array['cron', 'samples', 'sequences']
      and db_clock() - greatest(f.updated_at, u.since)
          > interval '10 s' + coalesce((f.definition -> 'trigger' ->> 'interval')::bigint, 0) * interval '1 ms'
)
select f.id, f.fence_group, f.definition, f.table_schema, f.table_name, f.epoch, f.vector, f.flushes,
       coalesce(f.emitted_until, -1), coalesce(f.newest_t, -1), coalesce(f.newest_at, -1), coalesce(f.watermark, -1),
       coalesce(f.error, a.error, ''),
       (extract(epoch from f.created_at) * 1000)::bigint, (extract(epoch from f.updated_at) * 1000)::bigint,
       coalesce((select sum(greatest(r.last_seq - coalesce((f.vector ->> r.id::text)::bigint, 0), 0)) from region r), 0)::bigint,
       coalesce((extract(epoch from db_clock() - u.since) * 1000)::bigint, 0),
       coalesce((select jsonb_object_agg(d.reason, d.n)
                 from (select reason, count(distinct window_end) as n from flow_dirty where flow_id = f.id group by reason) d), '{}'),
       (select count(*) from job j where j.flow_id = f.id and j.state in ('queued', 'running')),
       coalesce(pg_total_relation_size(to_regclass(format('%I.%I', f.table_schema, f.table_name))), 0),
       coalesce(s.error, m.error, ''),
       coalesce(s.hint, case when m.error is not null then 'laminar serve; where it runs, its log says what it waits for' end, ''),
       coalesce((extract(epoch from coalesce(s.since, case when m.error is not null then greatest(f.updated_at, u.since) end)) * 1000)::bigint, -1),
       f.left_out, coalesce(f.left_out_row, ''),
       coalesce(c.n, 0), coalesce(c.newest, -1),
       coalesce((select format('%s %s: %s, where the row of %s stands', to_char(to_timestamp(x.window_end / 1000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                               left(x.labels::text, 320), coalesce(x.value::text, 'a histogram'), other.title)
                 from flow_clash x join flow other on other.id = x.stands_id
                 where x.flow_id = f.id and x.differs order by x.window_end desc, x.labels::text limit 1), ''),
       coalesce((select c.reltuples::bigint from pg_class c where c.oid = to_regclass(format('%I.%I', f.table_schema, f.table_name))), -1),
       coalesce(f.sources, '[]'),
       f.late_samples, (select count(distinct window_end) from flow_late where flow_id = f.id), f.late_stretches, f.groups_folded
from flow f
left join (select flow_id, count(*) as n, max(window_end) as newest from flow_clash where differs group by flow_id) c on c.flow_id = f.id
left join unread u on u.id = f.id
left join unmoved m on m.id = f.id
left join flow_stall s on s.flow_id = f.id
left join lateral (
    select format('the database''s clock was ahead and has been set back: windows are closed up to %s, so what comes until then is late, and nobody is told of alerts; laminar flow delete and laminar flow apply begin it anew',
                  to_char(to_timestamp(f.watermark / 1000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) as error
    where f.watermark > (extract(epoch from db_clock()) * 1000)::bigint + 60000
) a on true
order by f.id
