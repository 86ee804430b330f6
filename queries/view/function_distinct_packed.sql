-- distinct_packed(state): the bits of a set of values from what distinct_joined has put side
-- by side: one form, and each key once.
create or replace function distinct_packed(state bit varying)
returns bit varying
language plpgsql immutable strict parallel safe
set search_path from current
as $$
declare
    planes bit varying := ''; -- of registers
    keys bit varying;         -- of 32 bits each
    spread bit varying;
    few bytea;
begin
    if length(state) = 0 then
        return state;
    end if;
    if get_bit(state, 7) = 1 then
        keys := substring(state from 9);
    else
        planes := substring(state from 9 for 98304);
        keys := substring(state from 98313);
    end if;
    if length(keys) = 0 then
        return state;
    end if;
    -- More than 1,024 registers are more than 1,024 keys.
    if length(keys) > 32768 or length(planes) > 0 then
        spread := distinct_spread(keys);
        if length(planes) > 0 then
            return B'00000010' || distinct_larger(planes, spread);
        end if;
    end if;
    if spread is null or 1024 >= bit_count(
        substring(spread from 1 for 16384) | substring(spread from 16385 for 16384) | substring(spread from 32769 for 16384)
        | substring(spread from 49153 for 16384) | substring(spread from 65537 for 16384) | substring(spread from 81921 for 16384)) then
        select string_agg(substr(int8send(k), 5), ''::bytea order by k) into few
        from (select distinct substring(keys from i for 32)::bigint as k from (select generate_series(1, length(keys), 32) as i) g) k;
        if length(few) <= 4096 then
            return B'00000001' || ('x' || encode(few, 'hex'))::bit varying;
        end if;
    end if;
    return B'00000010' || spread;
end
$$
