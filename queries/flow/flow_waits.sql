-- flow_waits: what keeps each flow from having caught up with vector $1: whether
-- a flownode has ever taken it over, where it stands, how many windows on its dirty list are due to sequences up to $1,
-- and how far results are stored. A window belongs to later sequences only if
-- the flow's vector covered $1 before they made it dirty. Of a flow that stands
-- still also why, what to do, and how long ago that was seen, ms.
select f.id, f.name, f.title, f.epoch > 0, f.vector, f.step, coalesce(f.emitted_until, -1), coalesce(f.watermark, -1), coalesce(f.error, ''),
       (select count(distinct d.window_end) from flow_dirty d
        where d.flow_id = f.id and exists (
            select from jsonb_each_text($1::text::jsonb) as v(region, seq)
            where coalesce((d.since_vector ->> v.region)::bigint, 0) < v.seq::bigint)),
       coalesce(s.error, ''), coalesce(s.hint, ''),
       coalesce((extract(epoch from clock_timestamp() - s.seen_at) * 1000)::bigint, -1)
from flow f
left join flow_stall s on s.flow_id = f.id
order by f.id
