-- metric_samples(metric, from, to): every sample of a metric with
-- from <= t <= to (ms; null does not restrict), each (series, time) once: hot
-- before sealed, then the highest sequence (I3). A stale marker has the value
-- null. seq of a sealed sample is an upper bound.
-- A native histogram takes part in the choice, since it overwrites and is
-- overwritten, and is left out after it: metric_histograms has them.
-- Stable: it reads in the snapshot of the query that calls it, the list of
-- generations and their tables alike, so it sees every sample exactly once
-- across freezes, seals and drops. Reads by the indexes hot (metric_id, region,
-- seq) and sealed (metric_id, region, max_seq), partitions pruned by bucket.
create or replace function metric_samples(metric integer, from_t bigint, to_t bigint)
returns table (series_id integer, t bigint, value double precision, region integer, seq bigint)
language plpgsql stable rows 10000
set search_path from current
set jit = off -- compiling takes longer than most of these queries
as $$
declare
    hot text;
    first_t bigint;
    last_t bigint := coalesce(to_t, 9223372036854775807);
begin
    select greatest(coalesce(from_t, 0), r.earliest_t) into first_t from retention r;
    select string_agg(format(
        'select true as hot, h.region, h.seq, h.segment, x.series_id, x.t, x.value, h.histograms is not null as histogram
         from %1$I h cross join lateral unpack_columns(h.packed, h.base_t) x
         where h.metric_id = $1 and h.max_t >= $2 and h.min_t <= $3 and h.packed is not null
         union all
         select true, region, seq, segment, series_id, base_t + off,
                case when has_stale and float8send(val) = ''\x7ff0000000000002'' then null else val end as value, histogram
         from (select region, seq, segment, has_stale, base_t, histograms is not null as histogram,
                      unnest(series_ids) as series_id, unnest(offsets) as off, unnest(vals) as val
               from %1$I where metric_id = $1 and max_t >= $2 and min_t <= $3 and packed is null) h union all ', 'hot_' || g.id), '')
    into hot
    from generation g where g.state in ('current', 'frozen');
    return query execute
        'select x.series_id, x.t, x.value, x.region, x.seq from (
         select distinct on (s.series_id, s.t) s.series_id, s.t, s.value, s.region, s.seq, s.histogram
         from (' || coalesce(hot, '') || '
             select false as hot, z.region, z.max_seq as seq, 0 as segment, x.series_id, x.t, x.value, z.histograms is not null as histogram
             from sealed z cross join lateral unpack_segment(z.packed, z.base_t) x
             where z.metric_id = $1 and z.max_t >= $2 and z.min_t <= $3 and z.bucket > $2 - 86400000 and z.bucket <= $3
             union all
             select false, region, max_seq, 0, series_id, base_t + off,
                    case when has_stale and float8send(val) = ''\x7ff0000000000002'' then null else val end, false
             from (select region, max_seq, has_stale, base_t,
                          unnest(series_ids) as series_id, unnest(offsets) as off, unnest(vals) as val
                   from sealed
                   where metric_id = $1 and max_t >= $2 and min_t <= $3 and bucket > $2 - 86400000 and bucket <= $3
                     and packed is null) z
         ) s
         where s.t between $2 and $3
         order by s.series_id, s.t, s.hot desc, s.seq desc, s.segment desc
         ) x where not x.histogram'
    using metric, first_t, last_t;
end
$$
