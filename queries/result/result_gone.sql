-- result_gone: delete many rows of windows; the command's tag says how many were there.
--   $1  window_end of the windows
--   $2  of the rows: number of the window, from 1
--   $3  label columns of the rows
--   $4  what tells the flow's rows: others are another flow's
-- It gives no rows back: to do so PostgreSQL reads each again. It reads the windows by the
-- primary key, and must run with enable_nestloop off as result_whole, and with
-- enable_bitmapscan, enable_seqscan and enable_mergejoin off. To merge, PostgreSQL would sort
-- labels by the database's collation, whose comparisons can be slow, which the planner does
-- not know. Rows of open sessions go from window to window,
-- and leave dead entries in the index; an ordinary scan of the index marks those that it
-- finds, and the next one passes over them, which a scan for a bitmap does not.
delete from result_table r
using (select ($1::timestamptz[])[u.win] as window_end, u.*
       from (select unnest($2::integer[]) as win, unnest($3::text[])::text as label_columns) u) a
where r.window_end = any($1::timestamptz[]) and (r.window_end, r.label_columns) = (a.window_end, a.label_columns) and r.label_columns = $4::text
