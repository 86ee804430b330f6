-- distinct_add(state, b): what distinct_merge has seen, and one more set of values. Sets that
-- are keys are put side by side (distinct_joined).
create or replace function distinct_add(state bit varying, b bytea)
returns bit varying
language plpgsql immutable strict parallel safe
set search_path from current
as $$
begin
    if not (length(b) % 4 = 1 and length(b) <= 4097 and get_byte(b, 0) = 1 or length(b) = 12289 and get_byte(b, 0) = 2) then
        raise exception 'these % bytes are no set of values', length(b) using errcode = 'invalid_parameter_value';
    end if;
    return distinct_joined(state, ('x' || encode(b, 'hex'))::bit varying);
end
$$
