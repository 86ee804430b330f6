-- missed_flushes: what the flushes of region $1 in the sequences ($2, $3]
-- brought by metric, newest first. Reads by the primary key of flush.
select seq, metric_ids, samples, max_ts from flush
where region = $1::integer and seq > $2::bigint and seq <= $3::bigint
order by seq desc
