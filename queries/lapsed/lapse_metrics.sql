-- lapse_metrics: $1 metrics that no series is of. Reads by the index series (metric_id,
-- region, seq), one short probe for each metric.
select m.id from metric m where not exists (select from series s where s.metric_id = m.id) order by m.id limit $1::integer
