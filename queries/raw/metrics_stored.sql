-- metrics_stored: the metrics with segments that overlap ($1, $2] ms, of those
-- named in $3 (null: of all), in the order of their names. hot_template stands
-- for the unsealed generations' tables.
-- Metrics are never deleted, so the names alone would list what nothing is
-- stored of any more. No sample is touched: one probe of the index by metric for
-- each metric and table, and partitions of sealed are pruned by bucket.
select m.id, m.name
from metric m
where ($3::text[] is null or m.name = any($3::text[]))
  and (exists (
          select from hot_template h where h.metric_id = m.id and h.max_t > $1::bigint and h.min_t <= $2::bigint)
    or exists (
          select from sealed s where s.metric_id = m.id and s.max_t > $1::bigint and s.min_t <= $2::bigint
            and s.bucket > $1::bigint - 86400000 and s.bucket <= $2::bigint))
order by m.name collate "C"
