-- distinct_of_keys(keys, of_registers): the set of values with these keys, each of four
-- bytes, in the bytes that package flownode/distinct says: the keys themselves while they are at most 1,024,
-- else 16,384 registers, of which each holds the largest rank of the keys that fall to
-- it. of_registers says that the keys are those of registers, or some of them.
create or replace function distinct_of_keys(keys bytea[], of_registers boolean)
returns bytea
language plpgsql immutable strict parallel safe
as $$
declare
    sorted bytea[] := array(select distinct k from unnest(keys) k order by k);
    planes text[];
begin
    if not of_registers and cardinality(sorted) <= 1024 then
        return '\x01'::bytea || coalesce((select string_agg(k, ''::bytea order by k) from unnest(sorted) k), ''::bytea);
    end if;
    -- An odd key is 14 bits of register, then 17 bits of which the zeros before the first
    -- one count; an even key is register and rank.
    with ranks as (
        select case when k & 1 = 1 then k >> 18 else k >> 7 & 16383 end as register,
               max(case when k & 1 = 1 then position('1' in (k >> 1)::bit(17)::text) else least(k >> 1 & 63, 51) end)::integer as rank
        from (select ('x' || encode(b, 'hex'))::bit(32)::bigint as k from unnest(sorted) b) n group by 1
    ), registers as (
        select coalesce(r.rank, 0) as rank from generate_series(0, 16383) g(register) left join ranks r on r.register = g.register order by g.register
    )
    select array[
        string_agg((rank & 1)::text, ''), string_agg((rank >> 1 & 1)::text, ''), string_agg((rank >> 2 & 1)::text, ''),
        string_agg((rank >> 3 & 1)::text, ''), string_agg((rank >> 4 & 1)::text, ''), string_agg((rank >> 5 & 1)::text, '')]
    into planes from (select rank from registers) r;
    return '\x02'::bytea || (
        select string_agg(substr(varbit_send(p.bits::bit varying), 5), ''::bytea order by p.plane) from unnest(planes) with ordinality p(bits, plane));
end
$$
