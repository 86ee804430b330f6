-- result_clear: delete a flow's rows from a table that others write to as well;
-- $1 tells its rows.
delete from result_table r where true and r.label_columns = $1::text
