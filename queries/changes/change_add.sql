-- change_add: notes what one commit changed: in the flows $1, at their positions $2, the
-- windows with the ends $3 (ms), of which the commit has closed those with an end after
-- $4 (ms; null for none), all of the window where $5, else the rows with the keys $7, of
-- which $6 is the number of the window, from 1. The flows' rows are locked (I4).
insert into flow_change (flow_id, position, window_end, closed_after, at, keys)
select e.flow_id, e.position, e.window_end, e.closed_after, db_clock(), case when not e.whole then coalesce(k.keys, '{}') end
from unnest($1::integer[], $2::bigint[], $3::bigint[], $4::bigint[], $5::boolean[]) with ordinality
    as e(flow_id, position, window_end, closed_after, whole, number)
left join (select u.number, array_agg(u.key) as keys from unnest($6::bigint[], $7::text[]) as u(number, key) group by u.number) k
    on k.number = e.number
