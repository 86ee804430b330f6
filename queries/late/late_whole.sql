-- late_whole: the windows $2 (ends, ms) of flow $1 lack nothing any more for the groups
-- $3: they were computed from all their samples. The key '' stands for all groups. By the
-- primary key; in the transaction that writes the windows (I4).
with gone as (
    delete from flow_late l
    using unnest($2::bigint[], $3::text[]) as k(window_end, group_key)
    where l.flow_id = $1::integer and l.window_end = k.window_end and k.group_key in ('', l.group_key)
    returning 1
)
update flow set late_noted = late_noted - g.n from (select count(*) as n from gone) g
where id = $1::integer and g.n > 0
