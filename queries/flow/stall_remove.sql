-- stall_remove: the flows $1 move again. Reads by the primary key.
delete from flow_stall where flow_id = any($1::integer[])
