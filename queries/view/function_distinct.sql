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
    n := array(
        select bit_count(
            case when rank & 1 = 0 then ~p[0] else p[0] end & case when rank & 2 = 0 then ~p[1] else p[1] end
            & case when rank & 4 = 0 then ~p[2] else p[2] end & case when rank & 8 = 0 then ~p[3] else p[3] end
            & case when rank & 16 = 0 then ~p[4] else p[4] end & case when rank & 32 = 0 then ~p[5] else p[5] end)
        from generate_series(0, 51) rank order by rank);
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
