-- change_add: notes what one commit changed: in the flows $1, at their positions $2, the
-- windows with the ends $3 (ms), of which the commit has closed those with an end after
-- $4 (ms; null for none), with the keys of the rows $5, each the text of an array; null
-- for all of the window. What is said of the rows is true of the windows with the ends $6
-- (ms), too, each the text of an array; null for none. The flows' rows are locked (I4).
insert into flow_change (flow_id, position, window_end, closed_after, at, keys, more)
select e.flow_id, e.position, e.window_end, e.closed_after, db_clock(), e.keys::text[], e.more::bigint[]
from unnest($1::integer[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[]) as e(flow_id, position, window_end, closed_after, keys, more)
