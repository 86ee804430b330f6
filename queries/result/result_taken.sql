-- result_taken: of rows that a flow is about to write, those that stand in the table
-- already as another rule's, and rows that the flow asks for whosever they are.
--   $1      the window ends
--   $2      of the rows: number of the window, from 1
--   $3      the flow's rule number
--   $4      of the rows, from which on they are given whosever they are, from 1
--   $5      label columns of the rows
-- Gives the number of the row, from 1, its rule, window_start (ms), value and histogram. Reads the
-- windows by the primary key; a window without rows of other rules costs one look.
with fresh as materialized (
    select ($1::timestamptz[])[u.win] as window_end, u.*
    from (select unnest($2::integer[]) as win, generate_subscripts($2::integer[], 1) as at, unnest($5::text[])::text as label_columns) u
)
select n.at, r.rule_column, (extract(epoch from r.window_start) * 1000)::bigint, r.value, (r.histogram).*
from result_table r join fresh n on (r.window_end, r.label_columns) = (n.window_end, n.label_columns)
where r.window_end = any($1::timestamptz[]) and (r.rule_column <> $3::smallint or n.at >= $4::integer)
