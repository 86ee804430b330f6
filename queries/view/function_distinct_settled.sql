-- distinct_settled(state): the set of values that a state of distinct_merge stands for; null
-- of no sets.
create or replace function distinct_settled(state bit varying)
returns bytea
language sql immutable strict parallel safe
set search_path from current
as $$
    select case when length(state) > 0 then substr(varbit_send(distinct_packed(state)), 5) end
$$
