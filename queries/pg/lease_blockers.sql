-- lease_blockers: the session that holds a lock on the table of leases and is not
-- itself waiting for one; the one whose transaction is the oldest first. Sessions of
-- Laminar hold one for the time of a statement only; old says that it began $1 ms ago.
-- Another role's session may not show when that was, and then counts as old.
select a.pid, coalesce(a.usename::text, '') as usename, coalesce(a.application_name, '') as application,
       coalesce(host(a.client_addr), '') as client, coalesce(a.xact_start, 'epoch') as since,
       coalesce(a.query_start, 'epoch') as query_at,
       coalesce(a.xact_start <= clock_timestamp() - $1::bigint * interval '1 millisecond', true) as old
from pg_locks k
join pg_stat_activity a on a.pid = k.pid
where k.relation = 'lease'::regclass and k.granted and k.pid <> pg_backend_pid()
  and k.database = (select oid from pg_database where datname = current_database())
order by a.wait_event_type is not distinct from 'Lock', a.xact_start
limit 1
