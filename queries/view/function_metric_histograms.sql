-- metric_histograms(metric, from, to): every native histogram of a metric with
-- from <= t <= to (ms; null does not restrict), each (series, time) once: hot
-- before sealed, then the highest sequence (I3). A float that overwrote a
-- histogram is not listed, nor is the histogram. payload and sum are what
-- histogram_json reads. seq of a sealed sample is an upper bound.
-- Stable, and reads by the same indexes, as metric_samples.
create or replace function metric_histograms(metric integer, from_t bigint, to_t bigint)
returns table (series_id integer, t bigint, payload bytea, sum double precision, region integer, seq bigint)
language plpgsql stable rows 10000
set search_path from current
as $$
declare
    hot text;
    first_t bigint;
    last_t bigint := coalesce(to_t, 9223372036854775807);
begin
    if not exists (select from histogram_metric h where h.metric_id = metric) then
        return;
    end if;
    select greatest(coalesce(from_t, 0), r.earliest_t) into first_t from retention r;
    select string_agg(format(
        'select true as hot, h.region, h.seq, h.segment, x.series_id, x.t, x.val, x.payload
         from %1$I h
         cross join lateral rows from (unpack_columns(h.packed, h.base_t), unnest(h.histograms)) as x(series_id, t, val, payload)
         where h.metric_id = $1 and h.max_t >= $2 and h.min_t <= $3 and h.packed is not null
         union all
         select true, region, seq, segment, series_id, base_t + off, val, payload
         from (select region, seq, segment, base_t, unnest(series_ids) as series_id, unnest(offsets) as off,
                      unnest(vals) as val, unnest(histograms) as payload
               from %1$I where metric_id = $1 and max_t >= $2 and min_t <= $3 and packed is null) h union all ', 'hot_' || g.id), '')
    into hot
    from generation g where g.state in ('current', 'frozen');
    return query execute
        'select x.* from (
             select distinct on (s.series_id, s.t) s.series_id, s.t, s.payload, s.val, s.region, s.seq
             from (' || coalesce(hot, '') || '
                 select false as hot, z.region, z.max_seq as seq, 0 as segment, x.series_id, x.t, x.val, x.payload
                 from sealed z
                 cross join lateral rows from (unpack_segment(z.packed, z.base_t), unnest(z.histograms)) as x(series_id, t, val, payload)
                 where z.metric_id = $1 and z.max_t >= $2 and z.min_t <= $3 and z.bucket > $2 - 86400000 and z.bucket <= $3
                 union all
                 select false, region, max_seq, 0, series_id, base_t + off, val, null
                 from (select region, max_seq, base_t,
                              unnest(series_ids) as series_id, unnest(offsets) as off, unnest(vals) as val
                       from sealed
                       where metric_id = $1 and max_t >= $2 and min_t <= $3 and bucket > $2 - 86400000 and bucket <= $3
                         and packed is null) z
             ) s
             where s.t between $2 and $3
             order by s.series_id, s.t, s.hot desc, s.seq desc, s.segment desc
         ) x where x.payload is not null'
    using metric, first_t, last_t;
end
$$
