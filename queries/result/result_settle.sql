-- result_settle: put rows in the place of whatever stands there, whosever it is, and
-- give the number of these that were inserted or changed.
--   $1, $2, $3, $4  window_start, window_end, value and rule number of the rows
--   $5              their label columns
--   $6              the histogram, null where there is a value
-- Looks for each row in the primary key.
with fresh as materialized (
    select unnest($1::timestamptz[]) as window_start, unnest($2::timestamptz[]) as window_end, unnest($3::float8[]) as value,
        unnest($4::smallint[]) as rule, unnest($5::text[])::text as label_columns, unnest($6::text[])::histogram as histogram
), written as (
    insert into result_table as r (window_start, window_end, value, rule_column, label_columns, histogram)
    select n.window_start, n.window_end, n.value, n.rule, n.label_columns, n.histogram from fresh n
    on conflict (window_end, label_columns) do update
        set value = excluded.value, window_start = excluded.window_start, rule_column = excluded.rule_column, histogram = excluded.histogram
    where (r.value, r.histogram) is distinct from (excluded.value, excluded.histogram) or r.window_start <> excluded.window_start or r.rule_column <> excluded.rule_column
    returning 1
)
select count(*) from written
