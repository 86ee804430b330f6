-- simple_delta: simple partials by pane and slot of the ordered hot segments of
-- the metrics $1 in the sequences ($3[i], $4[i]] of region $2[i]. The samples of
-- series $5[i] go to slot $6[i], those of other series are left out. Panes are
-- $7 ms wide and named by their right, closed end; samples with t <= $8 ms are
-- left out, and so are stale markers. min and max are null when every value is
-- NaN (PostgreSQL sorts NaN above all numbers, PromQL ignores it).
-- hot_template stands for the unsealed generations' tables.
-- Ordered segments repeat nothing, so there is nothing to deduplicate. The
-- unnests of arrays stand in one select list: PostgreSQL then walks them in step
-- (ProjectSet), 1.6 times faster than unnest(a, b, c) in the from list. A sample
-- costs the database about 1.2 us, of arrays 0.8; reading it takes 0.03 and 0.3
-- (BenchmarkExecutors). So this pays only over a slow link.
select x.pane, x.slot, count(*), sum(x.v), min(x.v) filter (where x.v <> 'NaN'), max(x.v) filter (where x.v <> 'NaN')
from (
    select (s.t + $7::bigint - 1) / $7::bigint * $7::bigint as pane, m.slot, s.v
    from (
        select u.series_id, u.t, u.value as v
        from unnest($2::integer[], $3::bigint[], $4::bigint[]) as w(region, after, upto)
        join hot_template h on h.region = w.region and h.seq > w.after and h.seq <= w.upto
        cross join lateral unpack_columns(h.packed, h.base_t) u
        where h.metric_id = any($1::integer[]) and h.ordered and h.packed is not null
        union all
        select a.series_id, a.base_t + a.off, case when a.has_stale and float8send(a.v) = '\x7ff0000000000002'::bytea then null else a.v end
        from (
            select h.base_t, h.has_stale, unnest(h.series_ids) as series_id, unnest(h.offsets) as off, unnest(h.vals) as v
            from unnest($2::integer[], $3::bigint[], $4::bigint[]) as w(region, after, upto)
            join hot_template h on h.region = w.region and h.seq > w.after and h.seq <= w.upto
            where h.metric_id = any($1::integer[]) and h.ordered and h.packed is null
        ) a
    ) s
    join unnest($5::integer[], $6::integer[]) as m(series_id, slot) on m.series_id = s.series_id
    where s.t > $8::bigint and s.v is not null
) x
group by x.pane, x.slot
