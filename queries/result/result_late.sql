-- result_late: make the view of what late samples add to the rows of a result table, for
-- flow 0. As it stands it is for a table with one label column. In late_columns stands
-- each label column of the table.
create view result_table_late as
select timestamptz 'epoch' + (l.window_end - f.window_length) * interval '1 millisecond' as window_start,
       timestamptz 'epoch' + l.window_end * interval '1 millisecond' as window_end,
       l.columns ->> 0 as late_columns,
       l.samples,
       l.value
from flow_late l
join flow f on f.id = l.flow_id
where l.flow_id = 0 and l.value is not null
