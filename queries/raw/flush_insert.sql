-- flush_insert: say that sequence $2 of region $1 was taken by flush $3, and
-- what it brought by metric: $4 metrics, $5 numbers of samples, $6 newest times
-- (ms); and the series $7 that it has removed, null for none. Runs just before the
-- commit, in one message with it.
insert into flush (region, seq, id, metric_ids, samples, max_ts, removed_series)
values ($1::integer, $2::bigint, $3::uuid, $4::integer[], $5::bigint[], $6::bigint[], $7::integer[])
