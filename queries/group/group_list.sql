-- group_list: the groups of flow $1 that keep a row, in the order of their choice, and
-- whether there are others. By the primary key.
select g.group_key, f.groups_folded from flow f join flow_group g on g.flow_id = f.id
where f.id = $1::integer order by g.place
