-- flownode_leave: flownode $1 ends in order.
delete from flownode where id = $1::uuid
