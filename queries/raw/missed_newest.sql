-- missed_newest: the newest sample of each metric that the flushes of region $1
-- in the sequences ($2, $3] brought, in ms. Reads by the primary key of flush.
select m.metric_id, max(m.max_t)
from flush f cross join unnest(f.metric_ids, f.max_ts) as m(metric_id, max_t)
where f.region = $1::integer and f.seq > $2::bigint and f.seq <= $3::bigint
group by m.metric_id
