-- series_after: series created after sequence $2[i] of region $1[i], of the
-- metrics named in $3; null means every metric.
-- Reads by the index series (metric_id, region, seq): one short probe per
-- metric and region, so a round in which nothing was created costs next to
-- nothing. The lateral subquery, which has an order, is planned by itself: as a
-- join the planner, who cannot know that there are hardly ever new ones, reads
-- all series (0.26 s with 100,000).
select s.id, s.metric_id, s.region, s.seq, s.labels
from metric m
cross join unnest($1::integer[], $2::bigint[]) as w(region, after)
cross join lateral (
    select s.id, s.metric_id, s.region, s.seq, s.labels
    from series s
    where s.metric_id = m.id and s.region = w.region and s.seq > w.after
    order by s.seq
) s
where $3::text[] is null or m.name = any($3::text[])
