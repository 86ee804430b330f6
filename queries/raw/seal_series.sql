-- seal_series: how many samples each series of metric $1 in region $2 has in the
-- bucket that begins at $3 and is $4 ms wide, in ascending order of the series.
-- As in seal_units, 24 bytes of histograms count as one more sample.
-- hot_template stands for the generation's table. Only for what is too much to
-- be merged at once.
select s.id, sum(1 + coalesce(octet_length(s.histogram), 0) / 24)::bigint
from (select x.id, x.histogram
      from hot_template h
      cross join lateral rows from (unpack_columns(h.packed, h.base_t), unnest(h.histograms)) as x(id, t, value, histogram)
      where h.metric_id = $1::integer and h.region = $2::integer and h.min_t >= $3::bigint and h.min_t < $3::bigint + $4::bigint and h.packed is not null
      union all
      select unnest(series_ids), unnest(histograms)
      from hot_template
      where metric_id = $1::integer and region = $2::integer and min_t >= $3::bigint and min_t < $3::bigint + $4::bigint and packed is null) s
group by s.id
order by s.id
