-- retention_state: where retention stands: what is given up, dropped, held back and by
-- which clock. Times in ms; -1 where there is none.
select r.earliest_t, r.dropped_t, coalesce(r.kept_ms, -1), coalesce(r.stepped_at, -1), coalesce(r.held_t, -1),
       coalesce(r.held_since, -1), c.now_ms, coalesce(c.newest_t, -1)
from retention r cross join retention_cut(coalesce(r.kept_ms, 0)) c
