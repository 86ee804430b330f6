-- distinct_union(sets): the set of all values of some sets, whatever their order and
-- however often they come; null of none. distinct_merge is the aggregate of it.
create or replace function distinct_union(sets bytea[])
returns bytea
language plpgsql immutable parallel safe
set search_path from current
as $$
declare
    keys bytea[];
    dense bytea[];
    one bytea;
    p bit varying[];
    q bit varying[];
    larger bit varying; -- the registers of p that are larger, as far as the planes were compared
    same bit varying;   -- those that are the same
begin
    if not exists (select from unnest(sets) u(s) where s is not null) then
        return null;
    end if;
    -- The empty string takes each set out of where it is stored, once.
    keys := array(
        select distinct substr(k.s, 2 + 4 * i, 4)
        from (select s || ''::bytea as s from unnest(sets) u(s) where get_byte(s, 0) = 1 offset 0) k cross join generate_series(0, (length(k.s) - 5) / 4) i);
    dense := array(select s || ''::bytea from unnest(sets) u(s) where get_byte(s, 0) = 2);
    if cardinality(dense) = 0 then
        return distinct_of_keys(keys, false);
    end if;
    if cardinality(keys) > 0 then
        dense := dense || distinct_of_keys(keys, true);
    end if;
    foreach one in array dense loop
        if p is null then
            for plane in 0..5 loop
                p[plane] := distinct_plane(one, plane);
            end loop;
            continue;
        end if;
        larger := ~(p[0] | ~p[0]);
        same := ~larger;
        for plane in reverse 5..0 loop
            q[plane] := distinct_plane(one, plane);
            larger := larger | (same & p[plane] & ~q[plane]);
            same := same & ~(p[plane] # q[plane]);
        end loop;
        for plane in 0..5 loop
            p[plane] := (p[plane] & larger) | (q[plane] & ~larger);
        end loop;
    end loop;
    return '\x02'::bytea || substr(varbit_send(p[0]), 5) || substr(varbit_send(p[1]), 5) || substr(varbit_send(p[2]), 5)
        || substr(varbit_send(p[3]), 5) || substr(varbit_send(p[4]), 5) || substr(varbit_send(p[5]), 5);
end
$$
