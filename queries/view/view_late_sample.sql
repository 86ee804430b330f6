-- late_sample: samples that came too late for closed windows, of flows that keep them
-- (keep_late): which windows, by their first and last end, and when. A refill takes a
-- sample into the windows; the row stays until it is old. A stale marker has the value null,
-- as in sample.
create or replace view late_sample as
select f.title as flow,
       x.labels ->> '__name__' as metric,
       x.labels,
       timestamptz 'epoch' + x.ts * interval '1 millisecond' as ts,
       case when float8send(x.value) <> '\x7ff0000000000002' then x.value end as value,
       timestamptz 'epoch' + x.first_end * interval '1 millisecond' as first_window_end,
       timestamptz 'epoch' + x.last_end * interval '1 millisecond' as last_window_end,
       x.at,
       x.series_id
from flow_late_sample x
join flow f on f.id = x.flow_id
