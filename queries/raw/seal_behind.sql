-- seal_behind: how many flows have not read all of generation $1. Sealing it
-- costs each of them its exact sequences (precision_lost).
select count(*) from flow f
where exists (
    select from generation g, jsonb_each_text(g.frozen_vector) v
    where g.id = $1::integer and coalesce((f.vector ->> v.key)::bigint, 0) < v.value::bigint
)
