-- change_reborn: the table of flow $1 was made anew, so it is not what the change logs of
-- the flows that write to it lead to: begin another incarnation of each.
update flow f set incarnation = gen_random_uuid(), change_floor = f.position from flow mine
where mine.id = $1::integer and (f.table_schema, f.table_name) = (mine.table_schema, mine.table_name)
