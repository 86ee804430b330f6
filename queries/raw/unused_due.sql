-- unused_due: the unused tables whose readers have all ended and which have been
-- unused for $1 ms, a partition of sealed as long as the serving processes say; and how many are not as far yet.
-- While a step of retention is held back, or retention's time is in the future, the
-- clock is in doubt, and so is how long partitions have been unused: they stay.
select coalesce(array_agg(u.name order by u.since, u.name) filter (where u.due), '{}'), count(*) filter (where not u.due)
from (
    select t.name, t.since,
           t.readers is not null
           and t.since <= db_clock() - case when t.partition then coalesce((select grace_ms from retention), 0) else $1::bigint end * interval '1 millisecond'
           and not (t.partition and exists (
               select from retention r
               where r.held_t is not null or r.earliest_t > extract(epoch from db_clock()) * 1000))
           and not exists (select from pg_locks l where l.locktype = 'virtualxid' and l.granted and l.virtualxid = any(t.readers)) as due
    from (select *, starts_with(name, 'sealed_') as partition from unused_table) t
) u
