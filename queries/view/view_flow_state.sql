-- flow_state: every flow with its state, and why it is in it:
--   stalled    it stands still: error says why, hint what to do
--   failing    it goes on, but windows of it cannot be computed: error says why
--   refilling  an unfinished refill has still to compute windows
--   empty      it has seen no samples yet
--   ok         none of these
-- A flow stands still when its flownode says so, or when nobody has moved it for
-- 10 s and its trigger's interval although there is something to read. stored_until
-- is the end of the last closed window that is stored; left_out is how many label sets
-- PostgreSQL has refused the rows of, and left_out_row the last of these.
create or replace view flow_state as
select f.title as flow, f.table_schema, f.table_name,
       case when coalesce(s.error, m.error) is not null then 'stalled'
            when f.error is not null then 'failing'
            when exists (select from job j where j.flow_id = f.id and j.state in ('queued', 'running')) then 'refilling'
            when f.emitted_until is null then 'empty'
            else 'ok' end as state,
       coalesce(s.error, m.error, f.error) as error,
       coalesce(nullif(s.hint, ''), case when s.error is null and m.error is not null then 'laminar serve; where it runs, its log says what it waits for' end) as hint,
       coalesce(s.since, m.since) as stalled_since,
       timestamptz 'epoch' + f.emitted_until * interval '1 millisecond' as stored_until,
       timestamptz 'epoch' + f.watermark * interval '1 millisecond' as watermark,
       f.left_out, f.left_out_row
from flow f
left join flow_stall s on s.flow_id = f.id
left join lateral (
    select greatest(f.updated_at, u.since) as since,
           format('no flownode has moved it for %s s', floor(extract(epoch from db_clock() - greatest(f.updated_at, u.since)))) as error
    from (select min(u.committed_at) as since
          from region r
          join flush u on u.region = r.id and u.seq = coalesce((f.vector ->> r.id::text)::bigint, 0) + 1) u
    where not f.definition -> 'trigger' ?| array['cron', 'samples', 'sequences']
      and db_clock() - greatest(f.updated_at, u.since)
          > interval '10 s' + coalesce((f.definition -> 'trigger' ->> 'interval')::bigint, 0) * interval '1 ms'
      and u.since is not null
) m on true
