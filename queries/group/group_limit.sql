-- group_limit: flow $1 has another limit of groups, $2, 0 for none, by a definition with the
-- hash $3: those chosen beyond it are chosen no more, and whether there are others is to be
-- found out anew. Gives up to when its windows are closed (ms).
with gone as (
    delete from flow_group where flow_id = $1::integer and place >= $2::integer
)
update flow set groups_folded = false, definition_hash = $3::bytea where id = $1::integer returning coalesce(emitted_until, -1)
