-- fraction(h, low, high): which part of what a histogram holds lies between low and high,
-- as Prometheus's histogram_fraction gives it. Infinities leave a side open.
create or replace function fraction(h histogram, low double precision, high double precision)
returns double precision
language plpgsql immutable parallel safe
set search_path from current
as $$
begin
    return case
        when h.schema is null or low is null or high is null then null
        when h.count = 0 or low = 'NaN' or high = 'NaN' then 'NaN'
        when low >= high then 0
        else (
            with bucket as materialized (
                select case when x.around and cardinality(h.negative_buckets) = 0 and cardinality(h.positive_buckets) > 0 then 0 else x.lower end as lower,
                       case when x.around and cardinality(h.positive_buckets) = 0 and cardinality(h.negative_buckets) > 0 then 0 else x.upper end as upper,
                       x.count, x.around or h.schema = -53 as linear
                from (select b.lower, b.upper, b.count, b.lower <= 0 and b.upper >= 0 as around from histogram_buckets(h) b) x
            ), below as (
                select e.upto, bool_or(b.upper > e.upto or b.lower >= e.upto) as beyond,
                       sum(b.count) as total,
                       sum(b.count * case
                           when b.lower >= e.upto then 0
                           when b.upper <= e.upto or b.lower = '-Infinity' then 1
                           when b.linear then (e.upto - b.lower) / (b.upper - b.lower)
                           when b.upper = 'Infinity' then 0
                           when e.upto > 0 then ln(e.upto / b.lower) / ln(b.upper / b.lower)
                           else 1 - ln(e.upto / b.upper) / ln(b.lower / b.upper)
                       end) as seen
                from (values (low), (high)) e(upto) left join bucket b on true
                group by e.upto
            ), counted as (
                select b.upto, case when b.beyond then least(b.seen, t.total) else t.total end as seen
                from below b, lateral (select case when h.sum = 'NaN' then coalesce(b.total, 0) else h.count end as total) t
            )
            select (select c.seen from counted c where c.upto = high) / h.count - (select c.seen from counted c where c.upto = low) / h.count
        )
    end;
end
$$
