-- flow_catalogue: all flows as they are defined.
select id, table_schema, fence_group, definition from flow order by id
