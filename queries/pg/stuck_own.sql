-- stuck_own: what the server does in the sessions $1 that began at $2, one row for each
-- in their order. state is '' where the session is gone. A session that has been idle
-- for less than a second may have sent an answer that is on its way, and counts as
-- active.
select case when a.pid is null then ''
            when a.state like 'idle%' and a.state_change > clock_timestamp() - interval '1 second' then 'active'
            else coalesce(a.state, 'unknown') end as state,
       coalesce(a.wait_event_type, '') as waits_for
from unnest($1::integer[], $2::timestamptz[]) with ordinality as s (pid, began, n)
left join pg_stat_activity a on a.pid = s.pid and a.backend_start = s.began
order by s.n
