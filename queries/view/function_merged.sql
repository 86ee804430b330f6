-- merged(list): histograms as one, for the aggregate merge. The coarsest schema and the
-- widest zero bucket of them decide: what the others hold is counted in these, which is
-- exact; a zero bucket that would end within a bucket takes it in whole, as Prometheus has
-- it. Of custom buckets the bounds remain that all have. Custom and exponential buckets
-- have no sum: it is null, as is that of nothing.
create or replace function merged(list histogram[])
returns histogram
language plpgsql immutable parallel safe
set search_path from current
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
        select coalesce(array_agg(v.bucket), '{}'), coalesce(array_agg(v.n), '{}') into h.positive_buckets, h.positive_counts from (
            select p.bucket, sum(p.n) as n from (
                select b.n, coalesce((select min(c.place) - 1 from unnest(common) with ordinality c(bound, place)
                                      where c.bound >= x.custom_values[b.bucket + 1]), cardinality(common))::integer as bucket
                from unnest(list) x, unnest(x.positive_buckets, x.positive_counts) b(bucket, n)
            ) p
            group by p.bucket having sum(p.n) <> 0 order by p.bucket
        ) v;
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
    select coalesce(array_agg(v.bucket), '{}'), coalesce(array_agg(v.n), '{}') into h.positive_buckets, h.positive_counts from (
        select ((b.bucket - 1) >> (x.schema - h.schema)) + 1 as bucket, sum(b.n) as n
        from unnest(list) x, unnest(x.positive_buckets, x.positive_counts) b(bucket, n)
        where x.zero_threshold = h.zero_threshold or histogram_bound(b.bucket, x.schema) > h.zero_threshold
        group by 1 having sum(b.n) <> 0 order by 1
    ) v;
    select coalesce(array_agg(v.bucket), '{}'), coalesce(array_agg(v.n), '{}') into h.negative_buckets, h.negative_counts from (
        select ((b.bucket - 1) >> (x.schema - h.schema)) + 1 as bucket, sum(b.n) as n
        from unnest(list) x, unnest(x.negative_buckets, x.negative_counts) b(bucket, n)
        where x.zero_threshold = h.zero_threshold or histogram_bound(b.bucket, x.schema) > h.zero_threshold
        group by 1 having sum(b.n) <> 0 order by 1
    ) v;
    return h;
end
$$
