-- region_positions: every region's last sequence and the flush that took it, at
-- one moment.
select coalesce(array_agg(id order by id), '{}'), coalesce(array_agg(last_seq order by id), '{}'),
       coalesce(array_agg(last_flush order by id), '{}')
from region
