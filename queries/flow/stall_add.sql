-- stall_add: the flows $1 stand still, because of $2; what to do is $3. A flow
-- that is gone meanwhile is left out.
insert into flow_stall as s (flow_id, error, hint, seen_at)
select f.id, n.error, n.hint, db_clock()
from unnest($1::integer[], $2::text[], $3::text[]) as n(id, error, hint)
join flow f on f.id = n.id
on conflict (flow_id) do update set error = excluded.error, hint = excluded.hint, seen_at = excluded.seen_at
