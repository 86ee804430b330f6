-- result_oldest: the end of a flow's oldest window, ms; -1 when it has none. $1
-- tells its rows. Reads the primary key from its beginning.
select coalesce((select (extract(epoch from r.window_end) * 1000)::bigint
                 from result_table r where true and r.label_columns = $1::text
                 order by r.window_end limit 1), -1)
