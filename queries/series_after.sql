-- series_after: series created after sequence $2[i] of region $1[i], of the
-- metrics named in $3; null means every metric.
-- Reads by the index series (metric_id, region, seq): one short probe per
-- metric and region, so a round in which nothing was created costs next to
-- nothing.
select s.id, s.metric_id, s.region, s.seq, s.labels
from metric m
cross join unnest($1::integer[], $2::bigint[]) as w(region, after)
join series s on s.metric_id = m.id and s.region = w.region and s.seq > w.after
where $3::text[] is null or m.name = any($3::text[])
