-- retention_loses: about what giving up all before $1 ms gives up: the time (ms) of the
-- oldest sample, and how many segments; sealed ones as estimated by the last analyze,
-- and of a partition that was never analyzed one. hot_template stands for the unsealed
-- generations' tables.
select least(min(x.oldest), $1::bigint), coalesce(sum(x.segments), 0)::bigint
from (
    select min(h.min_t) as oldest, count(*) as segments from hot_template h where h.min_t < $1::bigint
    union all
    select min(p.oldest), sum(greatest(p.tuples, 1))::bigint
    from (
        select c.reltuples as tuples,
               (extract(epoch from to_date(rpad(substr(c.relname::text, 8), 8, '01'), 'YYYYMMDD')) * 1000)::bigint as oldest
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'sealed'::regclass and c.relname ~ '^sealed_\d{6}(\d\d)?$'
    ) p
    where p.oldest < $1::bigint
) x
