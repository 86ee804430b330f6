-- sample: every raw sample, each (series, time) once (I3). A stale marker, which
-- ends a series, has the value null; a NaN that was sent is NaN. A condition on
-- metric is used to read just that metric; for a stretch of time of it,
-- metric_samples(metric, from, to) reads less.
create or replace view sample as
select m.name as metric,
       s.labels,
       timestamptz 'epoch' + x.t * interval '1 millisecond' as ts,
       x.value,
       x.region,
       x.seq,
       x.series_id
from metric m
cross join lateral metric_samples(m.id, null, null) x
join series s on s.id = x.series_id
