-- lease_look: who has lease $1, and whether owner $2 may take it at once: one that was
-- given up, is its own, or has not been renewed for $3 ms. A time ahead of the clock by
-- $3 ms is left over from a clock that was set back. gone says that the session that
-- renewed it, which began at session_at, has ended; but not for $4 ms after the renewal
-- if the server was started since, which ended the sessions of all. Another role's
-- session may not show when it began, and then counts as there. No row when the lease
-- was never taken. By the primary key; it locks nothing.
select coalesce(l.owner is null or l.owner = $2::uuid
           or l.renewed_at <= clock_timestamp() - $3::bigint * interval '1 millisecond'
           or l.renewed_at > clock_timestamp() + $3::bigint * interval '1 millisecond', false) as free,
       coalesce((a.pid is null or a.backend_start <> l.session_at)
           and (l.session_at >= pg_postmaster_start_time()
                or l.renewed_at <= clock_timestamp() - $4::bigint * interval '1 millisecond'), false) as gone,
       l.session_at, l.holder, l.pid, coalesce(a.usename::text, '') as usename, coalesce(a.application_name, '') as application,
       coalesce(host(a.client_addr), '') as client, l.taken_at, l.renewed_at
from lease l
left join pg_stat_activity a on a.pid = l.pid
where l.purpose = $1
