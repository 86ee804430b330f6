-- flow_heads: all flows with what tells whether one came, went, changed or got
-- another owner.
select id, title, fence_group, definition_hash, epoch from flow order by id
