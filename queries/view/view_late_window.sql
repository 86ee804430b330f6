-- late_window: closed windows that lack samples which came too late for them: flow as in
-- window_state, the labels of the group, null for all groups together, and how many. 0
-- samples: it may lack some. Windows that a refill has computed are not among them. Where
-- there were too many to be noted one by one, a row stands for a stretch of them that may
-- lack some: windows says how many, window_start is that of the first and window_end that of
-- the last.
create or replace view late_window as
select f.title as flow,
       timestamptz 'epoch' + (l.window_end - f.window_length) * interval '1 millisecond' as window_start,
       timestamptz 'epoch' + l.window_end * interval '1 millisecond' as window_end,
       case when l.group_key <> '' then l.group_key::jsonb end as labels,
       l.samples,
       1::bigint as windows
from flow_late l
join flow f on f.id = l.flow_id
union all
select f.title,
       timestamptz 'epoch' + (f.late_stretches[n] + f.step - f.window_length) * interval '1 millisecond',
       timestamptz 'epoch' + f.late_stretches[n + 1] * interval '1 millisecond',
       null,
       0,
       (f.late_stretches[n + 1] - f.late_stretches[n]) / f.step
from flow f
cross join lateral generate_series(1, cardinality(f.late_stretches) - 1, 2) n
