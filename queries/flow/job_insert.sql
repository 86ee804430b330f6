-- job_insert: a refill of flow $1: windows with $2 < end <= $3 (ms).
insert into job (flow_id, kind, from_t, to_t, next_t)
values ($1::integer, 'refill', $2::bigint, $3::bigint, $2::bigint)
returning id
