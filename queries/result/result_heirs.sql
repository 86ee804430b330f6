-- result_heirs: put rows where none stand, and give the numbers, from 1, of those that
-- found their place. Parameters are those of result_settle.
with fresh as materialized (
    select unnest($1::timestamptz[]) as window_start, unnest($2::timestamptz[]) as window_end, unnest($3::float8[]) as value,
        unnest($4::smallint[]) as rule, generate_subscripts($4::smallint[], 1) as at, unnest($5::text[])::text as label_columns, unnest($6::text[])::histogram as histogram
), written as (
    insert into result_table as r (window_start, window_end, value, rule_column, label_columns, histogram)
    select n.window_start, n.window_end, n.value, n.rule, n.label_columns, n.histogram from fresh n
    on conflict (window_end, label_columns) do nothing
    returning window_end, label_columns
)
select n.at from fresh n join written w on (w.window_end, w.label_columns) = (n.window_end, n.label_columns)
