-- change_part: makes an entry for each window out of those of flow $1 that are older than
-- $2 ms, say several windows, and share one with another entry as old: then change_merge
-- can leave one for each window. Afterwards the log says the same. The windows of one
-- commit's entries are different ones, so none of the new ones is there, unless another
-- process does the same.
with old as materialized (
    select position, window_end, more from flow_change
    where flow_id = $1::integer and at < db_clock() - $2::bigint * interval '1 millisecond'
), shared as materialized (
    select w.window_end from old o cross join lateral unnest(array_prepend(o.window_end, o.more)) w(window_end)
    group by w.window_end having count(*) > 1
), parted as materialized (
    select c.position, c.window_end, c.at, c.keys, c.more from old o join flow_change c on c.position = o.position and c.window_end = o.window_end
    where c.flow_id = $1::integer and c.more is not null
      and exists (select from unnest(array_prepend(c.window_end, c.more)) w(window_end) join shared s on s.window_end = w.window_end)
), alone as (
    update flow_change c set more = null from parted p
    where c.flow_id = $1::integer and c.position = p.position and c.window_end = p.window_end
)
insert into flow_change (flow_id, position, window_end, at, keys)
select $1::integer, p.position, m.window_end, p.at, p.keys
from parted p cross join lateral unnest(p.more) m(window_end)
on conflict do nothing
