-- seal_series: how many samples each series of metric $1 in region $2 has in the
-- bucket that begins at $3 and is $4 ms wide, in ascending order of the series.
-- As in seal_units, 24 bytes of histograms count as one more sample.
-- hot_template stands for the generation's table. Only for what is too much to
-- be merged at once.
select s.id, sum(1 + coalesce(octet_length(s.histogram), 0) / 24)::bigint
from (select unnest(series_ids) as id, unnest(histograms) as histogram from hot_template
      where metric_id = $1::integer and region = $2::integer and min_t >= $3::bigint and min_t < $3::bigint + $4::bigint) s
group by s.id
order by s.id
