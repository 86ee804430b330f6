-- distinct(b): how many different values the set with these bytes has: the number of its
-- keys, or the estimate of its registers, as package flownode/distinct computes it, step
-- by step.
create or replace function "distinct"(b bytea)
returns bigint
language plpgsql immutable strict parallel safe
set search_path from current
as $$
declare
    p bit varying[];
    n bigint[]; -- n[rank + 1]: the registers that hold a rank
    x double precision;
    y double precision := 1;
    z double precision;
    t double precision; -- of the registers that hold the largest rank
    s double precision; -- of empty registers
begin
    if length(b) % 4 = 1 and length(b) <= 4097 and get_byte(b, 0) = 1 then
        return (length(b) - 1) / 4;
    end if;
    if length(b) <> 12289 or get_byte(b, 0) <> 2 then
        raise exception 'these % bytes are no set of values', length(b) using errcode = 'invalid_parameter_value';
    end if;
    for plane in 0..5 loop
        p[plane] := distinct_plane(b, plane);
    end loop;
    -- By one plane after the other the registers are divided by what they hold.
    with recursive half as (
        select 5 as plane, 0 as rank, repeat('1', 16384)::bit varying as registers
        union all
        select h.plane - 1, h.rank | (b.bit << h.plane), h.registers & case b.bit when 1 then p[h.plane] else ~p[h.plane] end
        from half h cross join (values (0), (1)) b(bit) where h.plane >= 0 and bit_count(h.registers) > 0
    )
    select array_agg(coalesce(bit_count(h.registers), 0) order by g.rank) into n
    from generate_series(0, 51) g(rank) left join half h on h.rank = g.rank and h.plane = -1;
    if n[1] = 16384 then
        return 0;
    end if;

    x := 1 - n[52] / 16384::double precision;
    t := 0;
    if x > 0 and x < 1 then
        t := 1 - x;
        loop
            x := sqrt(x);
            z := t;
            y := y * 0.5;
            t := t - (1 - x) * (1 - x) * y;
            exit when t = z;
        end loop;
        t := t / 3;
    end if;

    x := n[1] / 16384::double precision;
    y := 1;
    s := x;
    loop
        x := x * x;
        z := s;
        s := s + x * y;
        exit when s = z;
        y := y + y;
    end loop;

    z := 16384 * t;
    for rank in reverse 50..1 loop
        z := 0.5 * (z + n[rank + 1]);
    end loop;
    return floor(0.7213475204444817 * 16384 * 16384 / (z + 16384 * s) + 0.5);
end
$$
