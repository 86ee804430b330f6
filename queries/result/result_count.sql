-- result_count: how many rows of the flow end after $1 and up to $2. $3 tells its rows.
-- Reads the primary key.
select count(*) from result_table r
where r.window_end > $1::timestamptz and r.window_end <= $2::timestamptz and r.label_columns = $3::text
