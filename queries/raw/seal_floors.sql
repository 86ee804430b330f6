-- seal_floors: raise the time that no sealed sample of metric $2[i] in region
-- $1[i] is later than, to $3[i] ms at least. It is never lowered: retention does
-- not make old samples new.
insert into metric_floor (region, metric_id, max_t)
select n.region, n.metric_id, max(n.max_t)
from unnest($1::integer[], $2::integer[], $3::bigint[]) as n(region, metric_id, max_t)
group by 1, 2
on conflict (region, metric_id) do update set max_t = greatest(metric_floor.max_t, excluded.max_t)
