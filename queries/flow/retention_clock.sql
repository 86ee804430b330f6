-- retention_clock: the time (ms) by which what is old is forgotten for good beside raw
-- samples: what the database's clock and the newest sample have both reached. -1 while
-- nothing may be: before the first sample, and while a step of retention that is due is
-- longer than a day, because the clocks may have jumped together.
select case when c.newest_t is null or r.kept_ms > 0 and c.too_far then -1 else least(c.now_ms, c.newest_t) end
from retention r cross join retention_cut(coalesce(r.kept_ms, 0)) c
