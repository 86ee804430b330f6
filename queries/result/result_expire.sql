-- result_expire: deletes rows of a flow's windows that ended before $1, of the oldest $2 at
-- most. $3 tells its rows. Reads the primary key from its beginning.
delete from result_table r
where r.ctid = any(array(
    select o.ctid from result_table o where o.window_end < $1::timestamptz and o.label_columns = $3::text
    order by o.window_end limit $2::integer))
