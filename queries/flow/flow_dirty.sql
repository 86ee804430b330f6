-- flow_dirty: the dirty list of flow $1, oldest window first.
select window_end, group_key, reason, since_vector, first_at, last_at
from flow_dirty where flow_id = $1::integer order by window_end, group_key
