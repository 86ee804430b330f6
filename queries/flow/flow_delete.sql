-- flow_delete: forgets the flows $1; their dirty lists and jobs go with them.
-- A round of theirs that is under way will find itself fenced.
delete from flow where id = any($1::integer[])
