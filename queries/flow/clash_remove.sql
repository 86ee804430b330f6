-- clash_remove: forget the rows of the flows $1 that do not stand, with the window ends $2
-- and labels $3. Reads by the index flow_clash_window.
delete from flow_clash c
using unnest($2::bigint[], $3::text[]) as k(window_end, labels)
where c.flow_id = any($1::integer[]) and c.window_end = k.window_end and c.labels = k.labels::jsonb
