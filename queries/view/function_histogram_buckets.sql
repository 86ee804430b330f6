-- histogram_buckets(h): the buckets of a result that are not empty, ascending, the zero
-- bucket among them: bounds, which of them belong to the bucket ('[' and ']') and which
-- not ('(' and ')'), and the count. What overlaps the zero bucket ends there. Bounds of
-- exponential buckets can differ from Prometheus's in the last digit.
create or replace function histogram_buckets(h histogram)
returns table (lower double precision, upper double precision, bounds text, count double precision)
language plpgsql immutable parallel safe
set search_path from current
as $$
begin
    return query select b.lower, b.upper, b.bounds, b.count from (
        select 1 as side, -n.bucket as place, '[)' as bounds, n.count,
               -histogram_bound(n.bucket, h.schema) as lower,
               least(-histogram_bound(n.bucket - 1, h.schema), -h.zero_threshold) as upper
        from unnest(h.negative_buckets, h.negative_counts) n(bucket, count)
        union all
        select 2, 0, '[]', h.zero_count, -h.zero_threshold, h.zero_threshold where h.schema <> -53 and h.zero_count > 0
        union all
        select 3, p.bucket, case when h.schema = -53 and p.bucket = 0 then '[]' else '(]' end, p.count,
               case when h.schema <> -53 then greatest(histogram_bound(p.bucket - 1, h.schema), h.zero_threshold)
                    else coalesce(h.custom_values[p.bucket], '-Infinity') end,
               case when h.schema <> -53 then histogram_bound(p.bucket, h.schema)
                    else coalesce(h.custom_values[p.bucket + 1], 'Infinity') end
        from unnest(h.positive_buckets, h.positive_counts) p(bucket, count)
    ) b
    order by b.side, b.place;
end
$$
