-- flow_definitions: the definitions of the flows $1, by the primary key.
select id, definition from flow where id = any($1::integer[]) order by id
