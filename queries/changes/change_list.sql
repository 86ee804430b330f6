-- change_list: the windows of flow $1 that changed after position $2 and end after $3
-- (ms), at most $4 of them, by end: the end, and the keys of rows that changed; null for
-- all of the window. Reads by the primary key; keys are put together of those windows only.
with ends as materialized (
    select distinct w.window_end
    from flow_change c cross join lateral unnest(array_prepend(c.window_end, c.more)) w(window_end)
    where c.flow_id = $1::integer and c.position > $2::bigint and (c.keys is null or c.keys <> '{}') and w.window_end > $3::bigint
    order by w.window_end limit $4::integer
)
select e.window_end,
    case when not bool_or(c.keys is null) then coalesce((array_agg(distinct k.key collate "C") filter (where k.key is not null)), '{}') end
from flow_change c
cross join lateral unnest(array_prepend(c.window_end, c.more)) w(window_end)
join ends e on e.window_end = w.window_end
left join lateral unnest(c.keys) k(key) on true
where c.flow_id = $1::integer and c.position > $2::bigint and (c.keys is null or c.keys <> '{}')
group by e.window_end
order by e.window_end
