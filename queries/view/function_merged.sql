-- merged(list): histograms as one, for the aggregate merge. The coarsest schema and the
-- widest zero bucket of them decide: what the others hold is counted in these, which is
-- exact; a zero bucket that would end within a bucket takes it in whole, as Prometheus has
-- it. Of custom buckets the bounds remain that all have. Custom and exponential buckets
-- have no sum: it is null, as is that of nothing.
create or replace function merged(list histogram[])
returns histogram
language plpgsql immutable parallel safe
set search_path from current
set enable_sort = off -- the planner does not know how many buckets there are, and would sort them rather than hash
as $$
declare
    h histogram;
    narrow double precision; -- the narrowest zero bucket
    wider double precision;
    common double precision[];
    custom boolean;
begin
    select min(x.schema), sum(x.count), sum(x.sum), max(x.zero_threshold), sum(x.zero_count), bool_or(x.gauge), min(x.zero_threshold),
           case when bool_and(x.schema = -53) then true when bool_or(x.schema = -53) then null else false end
    into h.schema, h.count, h.sum, h.zero_threshold, h.zero_count, h.gauge, narrow, custom
    from unnest(list) x where x.schema is not null;
    if h.schema is null or custom is null then
        return null;
    end if;
    h.custom_values = '{}';
    if custom then
        select coalesce(array_agg(v.bound order by v.bound), '{}') into h.custom_values from (
            select b.bound from unnest(list) x, unnest(x.custom_values) b(bound) where x.schema is not null
            group by b.bound having count(*) = (select count(*) from unnest(list) y where y.schema is not null)
        ) v;
        common := h.custom_values;
        -- The first bucket that ends where b ends, or behind it.
        select coalesce(array_agg(v.bucket order by v.bucket), '{}'), coalesce(array_agg(v.n order by v.bucket), '{}')
        into h.positive_buckets, h.positive_counts from (
            select case when b.bound is null then cardinality(common)
                        else width_bucket(b.bound, common) - (coalesce(common[width_bucket(b.bound, common)] = b.bound, false))::integer end as bucket,
                   sum(b.n) as n
            from (
                select b.custom_values[b.bucket + 1] as bound, b.n
                from (select x.custom_values, unnest(x.positive_buckets) as bucket, unnest(x.positive_counts) as n from unnest(list) x) b
            ) b
            group by 1
        ) v where v.n <> 0;
        h.negative_buckets = '{}';
        h.negative_counts = '{}';
        return h;
    end if;
    while narrow < h.zero_threshold loop
        select max(histogram_bound(b.bucket, x.schema)) into wider
        from unnest(list) x, unnest(x.positive_buckets || x.negative_buckets) b(bucket)
        where x.zero_threshold < h.zero_threshold
            and histogram_bound(b.bucket - 1, x.schema) < h.zero_threshold and histogram_bound(b.bucket, x.schema) > h.zero_threshold;
        exit when wider is null;
        h.zero_threshold = wider;
    end loop;
    if narrow < h.zero_threshold then
        h.zero_count = h.zero_count + coalesce((
            select sum(b.n) from unnest(list) x, unnest(x.positive_buckets || x.negative_buckets, x.positive_counts || x.negative_counts) b(bucket, n)
            where x.zero_threshold < h.zero_threshold and histogram_bound(b.bucket, x.schema) <= h.zero_threshold), 0);
    end if;
    select coalesce(array_agg(v.bucket order by v.bucket), '{}'), coalesce(array_agg(v.n order by v.bucket), '{}')
    into h.positive_buckets, h.positive_counts from (
        select ((b.bucket - 1) >> b.halvings) + 1 as bucket, sum(b.n) as n
        from (
            select unnest(x.positive_buckets) as bucket, unnest(x.positive_counts) as n, x.schema, x.schema - h.schema as halvings,
                   x.zero_threshold = h.zero_threshold as same_zero
            from unnest(list) x
        ) b
        where b.same_zero or histogram_bound(b.bucket, b.schema) > h.zero_threshold
        group by 1
    ) v where v.n <> 0;
    select coalesce(array_agg(v.bucket order by v.bucket), '{}'), coalesce(array_agg(v.n order by v.bucket), '{}')
    into h.negative_buckets, h.negative_counts from (
        select ((b.bucket - 1) >> b.halvings) + 1 as bucket, sum(b.n) as n
        from (
            select unnest(x.negative_buckets) as bucket, unnest(x.negative_counts) as n, x.schema, x.schema - h.schema as halvings,
                   x.zero_threshold = h.zero_threshold as same_zero
            from unnest(list) x
        ) b
        where b.same_zero or histogram_bound(b.bucket, b.schema) > h.zero_threshold
        group by 1
    ) v where v.n <> 0;
    return h;
end
$$
