-- quantile(h, phi): the quantile phi, from 0 to 1, of what a histogram holds, as
-- Prometheus's histogram_quantile gives it: within exponential buckets values lie evenly
-- on a logarithmic scale, within others on a linear one. NaN counts, and lies in no bucket.
create or replace function quantile(h histogram, phi double precision)
returns double precision
language sql immutable parallel safe
set search_path from current
as $$
    select case
        when h.schema is null or phi is null then null
        when phi = 'NaN' then 'NaN'
        when phi < 0 then '-Infinity'
        when phi > 1 then 'Infinity'
        when h.count = 0 then 'NaN'
        else coalesce((
            select case
                when h.schema = -53 and b.lower = '-Infinity' and b.upper <= 0 then b.upper
                when h.schema = -53 and b.lower > '-Infinity' and b.upper = 'Infinity' then b.lower
                when b.reached < b.rank then case when h.sum = 'NaN' then 'NaN' else b.upper end
                when h.schema = -53 or b.lower <= 0 and b.upper >= 0 then b.low + (b.high - b.low) * b.part
                when b.lower > 0 then b.lower * power(b.upper / b.lower, b.part)
                else b.upper * power(b.lower / b.upper, 1 - b.part)
            end
            from (
                select x.lower, x.upper, x.rank, least(x.seen, h.count) as reached,
                       case when h.schema = -53 then case when x.lower = '-Infinity' then 0 else x.lower end
                            when x.lower < 0 and x.upper > 0 and cardinality(h.negative_buckets) = 0 and cardinality(h.positive_buckets) > 0 then 0
                            else x.lower end as low,
                       case when h.schema <> -53 and x.lower < 0 and x.upper > 0
                                 and cardinality(h.positive_buckets) = 0 and cardinality(h.negative_buckets) > 0 then 0
                            else x.upper end as high,
                       case when x.upward then x.rank - (least(x.seen, h.count) - x.count) else least(x.seen, h.count) - x.rank end / x.count as part
                from (
                    select b.lower, b.upper, b.count, b.place, r.upward, r.rank,
                           sum(b.count) over (order by case when r.upward then b.place else -b.place end) as seen
                    from histogram_buckets(h) with ordinality b(lower, upper, bounds, count, place),
                         lateral (select u.upward, case when u.upward then phi else 1 - phi end * h.count as rank
                                  from (select h.sum = 'NaN' or phi < 0.5 as upward) u) r
                    where b.count <> 0
                ) x
                -- The first that reaches the rank; where none does, the last.
                order by x.seen < x.rank, case when x.upward = (x.seen >= x.rank) then x.place else -x.place end
                limit 1
            ) b
        ), 'NaN')
    end
$$
