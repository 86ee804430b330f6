-- lease_look: who has lease $1, and whether owner $2 may take it: one that was given
-- up, is its own, has not been renewed for $3 ms, or for $4 ms by a session that is
-- gone. A time ahead of the clock by $3 ms is left over from a clock that was set
-- back. No row when it was never taken. By the primary key; it locks nothing.
-- Another role's session may not show when it began, and then counts as there.
select coalesce(l.owner is null or l.owner = $2::uuid
           or l.renewed_at <= clock_timestamp() - $3::bigint * interval '1 millisecond'
           or l.renewed_at > clock_timestamp() + $3::bigint * interval '1 millisecond'
           or l.renewed_at <= clock_timestamp() - $4::bigint * interval '1 millisecond'
              and (a.pid is null or a.backend_start <> l.session_at), false) as free,
       l.holder, l.pid, coalesce(a.usename::text, '') as usename, coalesce(a.application_name, '') as application,
       coalesce(host(a.client_addr), '') as client, l.taken_at, l.renewed_at
from lease l
left join pg_stat_activity a on a.pid = l.pid
where l.purpose = $1
