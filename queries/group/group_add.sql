-- group_add: the groups $3 of flow $1 keep a row, from place $2 on; $4: there are others.
-- The flow is locked by the round that writes this (I4).
with folded as (
    update flow set groups_folded = $4::boolean where id = $1::integer and groups_folded <> $4::boolean
)
insert into flow_group (flow_id, place, group_key)
select $1::integer, $2::integer + n::integer - 1, key from unnest($3::text[]) with ordinality as a(key, n)
