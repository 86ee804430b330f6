-- lock_holders: who holds a lock on table $1 that stands in the way of a change, or on what
-- changes with it: of the catalogue's own table any but a reader's, of tables that refer to
-- it those that keep writers out, of a result table and of the views beside it any. The one
-- whose transaction is oldest comes first: pid, user, application, what it does, since when
-- (s), and how its query begins.
with target as (
    select to_regclass($1::text) as oid
), related as (
    select oid, false as refers from target
    union all
    select v.objoid, false from target t
    join pg_description m on m.classoid = 'pg_class'::regclass and m.objoid = t.oid and m.objsubid = 0 and m.description like 'Laminar flow %'
    join pg_description v on v.classoid = m.classoid and v.objsubid = 0 and v.description = m.description and v.objoid <> m.objoid
    union all
    select c.conrelid, true from target t join pg_constraint c on c.confrelid = t.oid and c.contype = 'f'
)
select a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''), coalesce(a.state, ''),
       coalesce(extract(epoch from clock_timestamp() - a.xact_start), 0)::bigint,
       left(regexp_replace(coalesce(a.query, ''), '\s+', ' ', 'g'), 80)
from related r
join pg_locks l on l.relation = r.oid
join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'relation' and l.granted and l.pid <> pg_backend_pid()
  and l.database = (select oid from pg_database where datname = current_database())
  and (l.mode <> 'AccessShareLock' or l.relation <> to_regclass('flow'))
  and (not r.refers or l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))
group by a.pid, a.usename, a.application_name, a.state, a.xact_start, a.query
order by a.xact_start
limit 3
