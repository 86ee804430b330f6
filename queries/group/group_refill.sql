-- group_refill: asks for the windows of flow $1 with $2 < end <= $3 (ms) to be computed
-- again, by its groups as they are chosen now.
insert into job (flow_id, kind, from_t, to_t, next_t)
values ($1::integer, 'refill', $2::bigint, $3::bigint, $2::bigint)
