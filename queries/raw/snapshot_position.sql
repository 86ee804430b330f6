-- snapshot_position: where the transaction's snapshot stands, in one row.
-- It is the first query of a REPEATABLE READ transaction and so the moment its
-- snapshot is taken: regions, generations and retention agree with everything
-- read after it (I1: a snapshot that sees sequence n of a region sees 1..n).
select
    coalesce((select array_agg(id order by id) from region), '{}') as regions,
    coalesce((select array_agg(last_seq order by id) from region), '{}') as seqs,
    coalesce((select array_agg(last_flush order by id) from region), '{}') as flushes,
    (extract(epoch from db_clock()) * 1000)::bigint as now_ms,
    coalesce((select earliest_t from retention), 0) as earliest_t,
    coalesce((select array_agg(id order by id) from generation where state in ('current', 'frozen')), '{}') as unsealed,
    coalesce((select array_agg(metric_id order by metric_id) from histogram_metric), '{}') as histograms,
    coalesce((select removed_series from retention), 0) as removed_series
