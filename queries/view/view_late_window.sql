-- late_window: closed windows that lack samples which came too late for them: flow as in
-- window_state, the labels of the group, null for all groups together, and how many. 0
-- samples: it may lack some. Windows that a refill has computed are not among them.
create or replace view late_window as
select f.title as flow,
       timestamptz 'epoch' + (l.window_end - f.window_length) * interval '1 millisecond' as window_start,
       timestamptz 'epoch' + l.window_end * interval '1 millisecond' as window_end,
       case when l.group_key <> '' then l.group_key::jsonb end as labels,
       l.samples
from flow_late l
join flow f on f.id = l.flow_id
