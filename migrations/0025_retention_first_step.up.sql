-- The first step of retention, and the first after all was taken back, has no step
-- before it to be judged by. What was due when the database was installed is not enough:
-- senders may have brought older samples, and the retention may have become shorter since.
-- So it is judged by the oldest partition, too. Hot tables are looked at by the step.
--
--   last_t     what the last step gave up; when nothing is given up, the earlier of what
--              was due when the database was installed and the oldest partition's begin
--
-- All else is as in 0013.
create or replace function retention_cut(keep_ms bigint)
returns table (now_ms bigint, newest_t bigint, cut_t bigint, last_t bigint, too_far boolean)
language sql volatile
as $$
select x.now_ms, x.newest_t, c.cut_t, x.last_t, coalesce(c.cut_t > x.last_t + 86400000, false)
from (
    select (extract(epoch from db_clock()) * 1000)::bigint as now_ms,
           (select max(n.t) from (
                select max(max_t) as t from metric_floor
                union all
                select max(m.t) from region g
                join flush f on f.region = g.id and f.seq > g.last_seq - 100
                cross join unnest(f.max_ts) m(t)
            ) n) as newest_t,
           case when r.earliest_t > 0 then r.earliest_t
                else least(((extract(epoch from i.created_at) * 1000)::bigint - keep_ms) / 86400000 * 86400000,
                           (select min((extract(epoch from to_date(rpad(substr(s.relname::text, 8), 8, '01'), 'YYYYMMDD')) * 1000)::bigint)
                            from pg_inherits p join pg_class s on s.oid = p.inhrelid
                            where p.inhparent = to_regclass('sealed') and s.relname ~ '^sealed_\d{6}(\d\d)?$')) end as last_t
    from retention r left join installation i on true
) x
cross join lateral (select case when x.newest_t is not null
    then greatest(least(x.now_ms, x.newest_t) - keep_ms, 0) / 86400000 * 86400000 end as cut_t) c
$$;
