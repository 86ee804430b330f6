-- seal_units: what is in a generation, by region, metric and time bucket ($1 ms
-- wide): number of samples and newest time. 24 bytes of histograms count as one
-- more sample: the number tells how much memory a merge takes. hot_template
-- stands for its table, which is frozen and no longer changes.
select region, metric_id, min_t / $1::bigint * $1::bigint as bucket,
       sum(samples + case when histograms is null then 0
                          else (select sum(octet_length(b)) / 24 from unnest(histograms) b) end)::bigint,
       max(max_t)
from hot_template
group by 1, 2, 3
order by 2, 1, 3
