-- simple_raw: simple partials by pane and slot of all samples of the metrics $1
-- in the regions $2 with $3 < t <= $4 ms, each (series, time) once: hot before
-- sealed, then the highest sequence, as I3 says. The samples of series $5[i] go
-- to slot $6[i], those of other series are left out. Panes are $7 ms wide and
-- named by their right, closed end. A stale marker takes part in the choice,
-- since it overwrites and is overwritten, and is left out after it. min and max
-- are null when every value is NaN.
-- hot_template stands for the unsealed generations' tables.
-- The choice costs a sort, 1.5 us a sample beside what simple_delta takes, and
-- unpacking sealed segments 5 us (BenchmarkExecutors). It pays only over a slow
-- link.
select x.pane, x.slot, count(*), sum(x.v), min(x.v) filter (where x.v <> 'NaN'), max(x.v) filter (where x.v <> 'NaN')
from (
    select distinct on (s.series_id, s.t)
           (s.t + $7::bigint - 1) / $7::bigint * $7::bigint as pane, m.slot, s.v
    from (
        select h.series_id, h.base_t + h.off as t,
               case when h.has_stale and float8send(h.v) = '\x7ff0000000000002'::bytea then null else h.v end as v,
               h.hot, h.seq, h.segment
        from (
            select h.base_t, h.has_stale, unnest(h.series_ids) as series_id, unnest(h.offsets) as off, unnest(h.vals) as v,
                   true as hot, h.seq, h.segment
            from hot_template h
            where h.metric_id = any($1::integer[]) and h.region = any($2::integer[])
              and h.max_t > $3::bigint and h.min_t <= $4::bigint and h.packed is null
            union all
            select z.base_t, z.has_stale, unnest(z.series_ids), unnest(z.offsets), unnest(z.vals), false, z.max_seq, 0
            from sealed z
            where z.metric_id = any($1::integer[]) and z.region = any($2::integer[])
              and z.max_t > $3::bigint and z.min_t <= $4::bigint
              and z.bucket > $3::bigint - 86400000 and z.bucket <= $4::bigint and z.packed is null
        ) h
        union all
        select x.series_id, x.t, x.value, true, h.seq, h.segment
        from hot_template h cross join lateral unpack_columns(h.packed, h.base_t) x
        where h.metric_id = any($1::integer[]) and h.region = any($2::integer[])
          and h.max_t > $3::bigint and h.min_t <= $4::bigint and h.packed is not null
        union all
        select x.series_id, x.t, x.value, false, z.max_seq, 0
        from sealed z cross join lateral unpack_segment(z.packed, z.base_t) x
        where z.metric_id = any($1::integer[]) and z.region = any($2::integer[])
          and z.max_t > $3::bigint and z.min_t <= $4::bigint
          and z.bucket > $3::bigint - 86400000 and z.bucket <= $4::bigint
    ) s
    join unnest($5::integer[], $6::integer[]) as m(series_id, slot) on m.series_id = s.series_id
    where s.t > $3::bigint and s.t <= $4::bigint
    order by s.series_id, s.t, s.hot desc, s.seq desc, s.segment desc
) x
where x.v is not null
group by x.pane, x.slot
