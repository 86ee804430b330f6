-- result_unsettle: delete rows, whosever they are, and give their number.
--   $1  window_end of the rows
--   $2  their label columns
-- Looks for each row in the primary key.
with absent as materialized (
    select unnest($1::timestamptz[]) as window_end, unnest($2::text[])::text as label_columns
), gone as (
    delete from result_table r using absent a where (r.window_end, r.label_columns) = (a.window_end, a.label_columns)
    returning 1
)
select count(*) from gone
