-- flow_heads: all flows with what tells whether one came, went or changed.
select id, title, fence_group, definition_hash from flow order by id
