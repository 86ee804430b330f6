-- unused_due: the unused tables whose readers have all ended and which have been
-- unused for $1 ms; and how many are not as far yet.
select coalesce(array_agg(u.name order by u.since, u.name) filter (where u.due), '{}'), count(*) filter (where not u.due)
from (
    select name, since,
           readers is not null
           and since <= clock_timestamp() - $1::bigint * interval '1 millisecond'
           and not exists (select from pg_locks l where l.locktype = 'virtualxid' and l.granted and l.virtualxid = any(readers)) as due
    from unused_table
) u
