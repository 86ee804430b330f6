-- results_latest: the newest $1 rows of a result table, by its primary key.
-- The label columns become one JSON object, whichever they are; a table with
-- one labels column gives that. Where it is a histogram, value is null. $2 is the column
-- with the number of the rule, '' where there is none. result_table stands for the table's
-- name.
select r.window_start, r.window_end, r.value,
       coalesce(to_jsonb(r) -> 'labels', to_jsonb(r) - 'window_start' - 'window_end' - 'value' - 'histogram' - $2::text),
       to_jsonb(r) -> 'histogram'
from result_table r
order by r.window_end desc, 4
limit $1
