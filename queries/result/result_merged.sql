-- result_merged: make the view that joins the rows of a result table with what late samples
-- add to them: value is null where only late samples gave the row, late where none came.
-- 'join' is sum, min or max; as in Go, a sum overflows to infinity, and NaN is no minimum
-- or maximum beside a number. In label_columns stands each label column of the table. A
-- condition on window_end or a label reads only what it needs of either.
create view result_table_merged as
select min(x.window_start) as window_start, x.window_end, x.label_columns,
       max(x.value) as value, max(x.late) as late, max(x.samples) as late_samples,
       case
           when max(x.late) is null then max(x.value)
           when max(x.value) is null then max(x.late)
           when 'join' <> 'sum' and max(x.value) = 'NaN' then max(x.late)
           when 'join' <> 'sum' and max(x.late) = 'NaN' then max(x.value)
           when 'join' = 'min' then least(max(x.value), max(x.late))
           when 'join' = 'max' then greatest(max(x.value), max(x.late))
           when max(x.value) = 'NaN' or max(x.late) = 'NaN' then 'NaN'
           when max(x.value) > 0 and max(x.late) > 0 and max(x.value) > 1.7976931348623157e308 - max(x.late) then 'Infinity'
           when max(x.value) < 0 and max(x.late) < 0 and max(x.value) < -1.7976931348623157e308 - max(x.late) then '-Infinity'
           else max(x.value) + max(x.late)
       end as merged
from (select window_start, window_end, label_columns, value, null::double precision as late, 0::bigint as samples from result_table
      union all
      select window_start, window_end, label_columns, null, value, samples from result_table_late) x
group by x.window_end, x.label_columns
