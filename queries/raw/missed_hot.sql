-- missed_hot: the hot segments of region $1 and the metrics $2 in the sequences
-- ($3, $4], oldest first. hot_template stands for the table of one generation.
-- Reads by the index hot (metric_id, region, seq).
select region, metric_id, seq as min_seq, seq as max_seq, ordered, has_stale, base_t, min_t, max_t, series_ids, offsets, vals, histograms, packed, samples
from hot_template
where region = $1::integer and metric_id = any($2::integer[]) and seq > $3::bigint and seq <= $4::bigint
order by seq, segment
