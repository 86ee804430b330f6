-- distinct_joined(a, b): two states of distinct_merge as one. A state is the bits of a set of
-- values, in either form, with any number of keys behind it, in any order and several times;
-- it has no bits before the first set.
create or replace function distinct_joined(a bit varying, b bit varying)
returns bit varying
language plpgsql immutable strict parallel safe
set search_path from current
as $$
declare
    state bit varying;
begin
    if length(a) = 0 then
        return b;
    elsif length(b) = 0 then
        return a;
    elsif get_bit(b, 7) = 1 then
        state := a || substring(b from 9);
    elsif get_bit(a, 7) = 1 then
        state := b || substring(a from 9);
    else
        state := B'00000010' || distinct_larger(substring(a from 9 for 98304), substring(b from 9 for 98304))
            || substring(a from 98313) || substring(b from 98313);
    end if;
    -- 64 Ki keys. So a state has at most 268 kB, and a key is looked at once, or twice.
    if length(state) > 2097152 then
        return distinct_packed(state);
    end if;
    return state;
end
$$
