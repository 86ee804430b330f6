-- registers(h): a result of values_over_time, or of a sum of such, as the bytes of a set of
-- values, which take a tenth of the room; null of any other histogram.
create or replace function registers(h histogram)
returns bytea
language plpgsql immutable parallel safe
set search_path from current
as $$
declare
    odd bytea; -- the keys of positive buckets, whose last bit is one
    even bytea;
begin
    if h.schema is distinct from 8 or h.zero_threshold is distinct from 3.054936363499605e-151 then
        return null;
    end if;
    select string_agg(int4send(p.bucket << 1 | 1), ''::bytea order by p.bucket) into odd
    from (select unnest(h.positive_buckets) as bucket, unnest(h.positive_counts) as n) p where p.n > 0;
    if not h.zero_count > 0 and cardinality(h.negative_buckets) = 0 and cardinality(h.positive_buckets) <= 1024 then
        return '\x01'::bytea || coalesce(odd, ''::bytea);
    end if;
    select string_agg(int4send(p.bucket << 1), ''::bytea) into even
    from (select unnest(h.negative_buckets) as bucket, unnest(h.negative_counts) as n) p where p.n > 0;
    return distinct_settled(case when h.zero_count > 0 then (B'00000010' || repeat('0', 98304)::bit varying) else B'00000001' end
        || ('x' || encode(coalesce(odd, ''::bytea) || coalesce(even, ''::bytea), 'hex'))::bit varying);
end
$$
