-- retention_restore: take back what has been given up and is not dropped yet; gives the
-- time before and after. A drop locks the same row first, so each waits for the other.
-- Lowering the time is right only down to dropped_t: before it samples are gone (I6).
update retention r
set earliest_t = least(r.earliest_t, r.dropped_t), held_t = null, held_since = null
from (select earliest_t from retention for update) b
returning b.earliest_t, r.earliest_t
