-- change_list: the windows of flow $1 that changed after position $2 and end after $3
-- (ms), at most $4 of them, by end: the end, and the keys of rows that changed; null for
-- all of the window. Reads by the primary key.
select c.window_end, case when not bool_or(c.keys is null) then coalesce((array_agg(distinct k.key) filter (where k.key is not null)), '{}') end
from flow_change c left join lateral unnest(c.keys) k(key) on true
where c.flow_id = $1::integer and c.position > $2::bigint and c.window_end > $3::bigint
  and (c.keys is null or c.keys <> '{}')
group by c.window_end
order by c.window_end
limit $4::integer
