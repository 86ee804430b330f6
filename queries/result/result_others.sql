-- result_others: those of the window ends $1 that have a row of another rule than $2, ms.
-- Reads the primary key once for each window, unless it begins with many rows of $2.
select (extract(epoch from e.window_end) * 1000)::bigint
from unnest($1::timestamptz[]) as e(window_end)
where (select true from result_table r where r.window_end = e.window_end and r.rule_column <> $2::smallint limit 1)
