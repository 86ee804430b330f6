-- lease_list: the leases that somebody has, which is those renewed within $1 ms.
select l.purpose, l.holder, l.pid, coalesce(a.usename::text, '') as usename, coalesce(a.application_name, '') as application,
       coalesce(host(a.client_addr), '') as client, l.taken_at, l.renewed_at
from lease l
left join pg_stat_activity a on a.pid = l.pid
where l.owner is not null and l.renewed_at > clock_timestamp() - $1::bigint * interval '1 millisecond'
order by l.purpose
