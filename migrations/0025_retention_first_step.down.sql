-- As 0013 has it.
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
                else ((extract(epoch from i.created_at) * 1000)::bigint - keep_ms) / 86400000 * 86400000 end as last_t
    from retention r left join installation i on true
) x
cross join lateral (select case when x.newest_t is not null
    then greatest(least(x.now_ms, x.newest_t) - keep_ms, 0) / 86400000 * 86400000 end as cut_t) c
$$;
