-- flow_catalogue: all flows as they are defined.
select id, table_schema, fence_group, definition, definition_hash from flow order by id
