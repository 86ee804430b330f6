-- result_new: those of the window ends $1 that no row of the flow has; $2 tells
-- its rows. Reads the primary key once for each window: the limit keeps the
-- planner from reading the table instead.
select e.window_end
from unnest($1::timestamptz[]) as e(window_end)
where (select true from result_table r where r.window_end = e.window_end and r.label_columns = $2::text limit 1) is not true
