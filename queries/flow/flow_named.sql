-- flow_named: the flows of the names $1 (null: all flows) that have a result table
-- and a closed window, for who reads results by the name of the flow. Reads the
-- index flow_identity, or all of the table.
select id, definition, emitted_until
from flow
where ($1::text[] is null or name = any($1::text[])) and emitted_until is not null
  and to_regclass(format('%I.%I', table_schema, table_name)) is not null
order by id
