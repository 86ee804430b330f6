-- segment_spans: the time spans of the segments of the metrics $1 that overlap
-- ($2, $3] ms, merged where they touch or overlap, in ascending order.
-- hot_template stands for the unsealed generations' tables. No sample is
-- touched; partitions of sealed are pruned by bucket.
with span as (
    select h.min_t, h.max_t from hot_template h
    where h.metric_id = any($1::integer[]) and h.max_t > $2::bigint and h.min_t <= $3::bigint
    union all
    select s.min_t, s.max_t from sealed s
    where s.metric_id = any($1::integer[]) and s.max_t > $2::bigint and s.min_t <= $3::bigint
      and s.bucket > $2::bigint - 86400000 and s.bucket <= $3::bigint
), marked as (
    -- A span starts a new stretch when it begins after everything before it ended.
    select min_t, max_t,
           case when min_t > 1 + max(max_t) over (order by min_t, max_t rows between unbounded preceding and 1 preceding)
                then 1 else 0 end as starts
    from span
), numbered as (
    select min_t, max_t, sum(starts) over (order by min_t, max_t rows unbounded preceding) as stretch
    from marked
)
select min(min_t), max(max_t) from numbered group by stretch order by 1
