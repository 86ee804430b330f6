-- seal_units: what is in a generation, by region, metric and time bucket ($1 ms
-- wide): number of samples and newest time. hot_template stands for its table,
-- which is frozen and no longer changes.
select region, metric_id, min_t / $1::bigint * $1::bigint as bucket, sum(samples)::bigint, max(max_t)
from hot_template
group by 1, 2, 3
order by 2, 1, 3
