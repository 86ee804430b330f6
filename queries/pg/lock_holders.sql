-- lock_holders: who holds a lock on table $1 that stands in the way of a change: of
-- the catalogue's own table any but a reader's, of a result table any. The one whose
-- transaction is oldest comes first: pid, user, application, what it does, since
-- when (s), and how its query begins.
select a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''), coalesce(a.state, ''),
       coalesce(extract(epoch from clock_timestamp() - a.xact_start), 0)::bigint,
       left(regexp_replace(coalesce(a.query, ''), '\s+', ' ', 'g'), 80)
from pg_locks l
join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'relation' and l.granted and l.pid <> pg_backend_pid()
  and l.database = (select oid from pg_database where datname = current_database())
  and l.relation = to_regclass($1::text)
  and (l.mode <> 'AccessShareLock' or l.relation <> to_regclass('flow'))
group by a.pid, a.usename, a.application_name, a.state, a.xact_start, a.query
order by a.xact_start
limit 3
