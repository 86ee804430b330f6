-- flow_catalogue: all flows as they are defined.
select id, name, static_labels, fence_group, definition, definition_hash from flow order by id
