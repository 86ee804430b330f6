-- distinct_of_keys(keys, of_registers): the set of values with these keys, each of four
-- bytes, in the bytes that package flownode/distinct says: the keys themselves while they
-- are at most 1,024, else 16,384 registers, of which each holds the largest rank of the
-- keys that fall to it. of_registers says that the keys are those of registers, or some.
create or replace function distinct_of_keys(keys bytea[], of_registers boolean)
returns bytea
language plpgsql immutable strict parallel safe
as $$
declare
    sorted bytea[] := array(select distinct k from unnest(keys) k order by k);
begin
    if not of_registers and cardinality(sorted) <= 1024 then
        return '\x01'::bytea || coalesce((select string_agg(k, ''::bytea order by k) from unnest(sorted) k), ''::bytea);
    end if;
    -- An odd key is 14 bits of register, then 17 bits of which the zeros before the first
    -- one count; an even key is register and rank.
    return (
        with ranks as (
            select case when k & 1 = 1 then k >> 18 else k >> 7 & 16383 end::integer as register,
                   max(case when k & 1 = 1 then position('1' in (k >> 1)::bit(17)::text) else least(k >> 1 & 63, 51) end)::integer as rank
            from (select ('x' || encode(b, 'hex'))::bit(32)::bigint as k from unnest(sorted) b) n group by 1
        ), octets as (
            select register / 8 as octet,
                   sum((rank & 1) << 7 - register % 8)::smallint as p0, sum((rank >> 1 & 1) << 7 - register % 8)::smallint as p1,
                   sum((rank >> 2 & 1) << 7 - register % 8)::smallint as p2, sum((rank >> 3 & 1) << 7 - register % 8)::smallint as p3,
                   sum((rank >> 4 & 1) << 7 - register % 8)::smallint as p4, sum((rank >> 5 & 1) << 7 - register % 8)::smallint as p5
            from ranks group by 1
        ), filled as (
            select int2send(coalesce(p0, 0::smallint)) as p0, int2send(coalesce(p1, 0::smallint)) as p1, int2send(coalesce(p2, 0::smallint)) as p2,
                   int2send(coalesce(p3, 0::smallint)) as p3, int2send(coalesce(p4, 0::smallint)) as p4, int2send(coalesce(p5, 0::smallint)) as p5
            from generate_series(0, 2047) g(octet) left join octets o on o.octet = g.octet order by g.octet
        )
        select '\x02'::bytea
            || string_agg(substr(p0, 2), ''::bytea) || string_agg(substr(p1, 2), ''::bytea) || string_agg(substr(p2, 2), ''::bytea)
            || string_agg(substr(p3, 2), ''::bytea) || string_agg(substr(p4, 2), ''::bytea) || string_agg(substr(p5, 2), ''::bytea)
        from filled);
end
$$
