-- change_window: the newest commits of flow $1, at most $3, that changed rows of the window that
-- ends at $2 (ms) or closed it: position, when (ms), whether it closed the window, and how many
-- keys of rows it names; -1 where all of the window may have changed. Reads the primary
-- key backwards, through the flow's part of the log.
select c.position, (extract(epoch from max(c.at)) * 1000)::bigint, bool_or(coalesce(c.closed_after < $2::bigint, false)),
       coalesce(max(case when c.window_end = $2::bigint or $2::bigint = any(c.more) then coalesce(cardinality(c.keys), -1) end), 0)
from flow_change c
where c.flow_id = $1::integer and (c.window_end = $2::bigint or $2::bigint = any(c.more) or c.closed_after < $2::bigint and $2::bigint <= c.window_end)
group by c.position
order by c.position desc
limit $3::integer
