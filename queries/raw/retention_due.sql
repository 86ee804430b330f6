-- retention_due: the time (ms) before which raw samples are given up, or will be by the
-- next step of retention, whenever that comes. A step that is held back does not count.
select greatest(r.earliest_t, case when r.kept_ms > 0 and not c.too_far then c.cut_t end)
from retention r cross join retention_cut(coalesce(r.kept_ms, 0)) c
