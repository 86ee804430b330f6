-- seal_read: the segments of metric $1 in region $2 with times in the buckets that
-- begin at $3 and are $4 ms wide together, in the order in which they were written.
-- hot_template stands for the generation's table. Reads by the index hot
-- (metric_id, region, seq).
select region, metric_id, seq as min_seq, seq as max_seq, ordered, has_stale, base_t, min_t, max_t, series_ids, offsets, vals, histograms, packed, samples
from hot_template
where metric_id = $1::integer and region = $2::integer and min_t >= $3::bigint and min_t < $3::bigint + $4::bigint
order by seq, segment
