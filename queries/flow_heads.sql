-- flow_heads: all flows with what tells whether one came, went or changed.
select id, name, fence_group, definition_hash, static_labels from flow order by id
