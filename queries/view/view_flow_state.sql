-- flow_state: every flow with its state, and why it is in it:
--   stalled    it stands still: error says why, hint what to do
--   failing    it goes on, but windows of it cannot be computed, another rule of its
--              record gives rows of the newest window otherwise, or it has closed windows
--              of the future because the clock was ahead: error says why
--   refilling  an unfinished refill has still to compute windows
--   empty      it has seen no samples yet
--   ok         none of these
-- A flow stands still when its flownode says so, or when nobody has moved it for
-- 10 s and its trigger's interval although there is something to read. stored_until
-- is the end of the last closed window that is stored; left_out is how many label sets
-- PostgreSQL has refused the rows of, and left_out_row the last of these; clashes is how
-- many rows do not stand in the table because another rule gives them otherwise.
create or replace view flow_state as
select f.title as flow, f.table_schema, f.table_name,
       case when coalesce(s.error, m.error) is not null then 'stalled'
            when coalesce(f.error, a.error) is not null or c.newest >= coalesce(f.emitted_until, -1) then 'failing'
            when exists (select from job j where j.flow_id = f.id and j.state in ('queued', 'running')) then 'refilling'
            when f.emitted_until is null and f.newest_t is null then 'empty'
            else 'ok' end as state,
       coalesce(s.error, m.error, f.error, a.error, case when c.newest >= coalesce(f.emitted_until, -1) then c.error end) as error,
       coalesce(nullif(s.hint, ''), case when s.error is null and m.error is not null then 'laminar serve; where it runs, its log says what it waits for' end) as hint,
       coalesce(s.since, m.since) as stalled_since,
       timestamptz 'epoch' + f.emitted_until * interval '1 millisecond' as stored_until,
       timestamptz 'epoch' + f.watermark * interval '1 millisecond' as watermark,
       f.left_out, f.left_out_row, coalesce(c.n, 0) as clashes
from flow f
left join flow_stall s on s.flow_id = f.id
left join lateral (
    select count(*) as n, max(x.window_end) as newest,
           (array_agg(format('another rule of the record gives rows of it too, the newest: %s %s, where the row of %s stands',
                             timestamptz 'epoch' + x.window_end * interval '1 millisecond', left(x.labels::text, 320), o.title)
                      order by x.window_end desc, x.labels::text))[1] as error
    from flow_clash x join flow o on o.id = x.stands_id
    where x.flow_id = f.id and x.differs
) c on true
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
left join lateral (
    select format('the database''s clock was ahead and has been set back: windows are closed up to %s, so what comes until then is late, and nobody is told of alerts; laminar flow delete and laminar flow apply begin it anew',
                  to_char(to_timestamp(f.watermark / 1000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) as error
    where f.watermark > (extract(epoch from db_clock()) * 1000)::bigint + 60000
) a on true
