-- histogram_sample: every native histogram, each (series, time) once (I3). A
-- stale marker, which ends a series, has the histogram null. The form of
-- histogram is that of histogram_json. A condition on metric is used to read just
-- that metric; for a stretch of time of it, metric_histograms(metric, from, to)
-- reads less.
create or replace view histogram_sample as
select m.name as metric,
       s.labels,
       timestamptz 'epoch' + x.t * interval '1 millisecond' as ts,
       histogram_json(x.payload, x.sum) as histogram,
       x.region,
       x.seq,
       x.series_id
from histogram_metric h
join metric m on m.id = h.metric_id
cross join lateral metric_histograms(m.id, null, null) x
join series s on s.id = x.series_id
