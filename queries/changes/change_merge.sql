-- change_merge: of the changes of flow $1 that are older than $2 ms leaves one for each
-- window, the newest, which takes what the others say; with more than $3 keys it says all
-- of the window. Entries that say several windows stay: those that share one are made
-- into others by change_part, sooner or later. Nothing moves to an earlier position, so whoever stands
-- between the two only reads rows again that it has.
with old as materialized (
    select position, window_end, closed_after, keys from flow_change
    where flow_id = $1::integer and at < db_clock() - $2::bigint * interval '1 millisecond' and more is null
), newest as materialized (
    select window_end, max(position) as position, min(closed_after) as closed_after, bool_or(keys is null) as whole
    from old group by window_end having count(*) > 1
), named as materialized (
    select n.window_end, array_agg(distinct k.key) as keys
    from newest n join old o on o.window_end = n.window_end cross join lateral unnest(o.keys) k(key)
    where not n.whole group by n.window_end
), gone as (
    delete from flow_change c using newest n, old o
    where c.flow_id = $1::integer and c.position = o.position and c.window_end = o.window_end
      and o.window_end = n.window_end and o.position < n.position
    returning 1
), kept as (
    update flow_change c set closed_after = n.closed_after,
        keys = case when n.whole or cardinality(k.keys) > $3::integer then null else coalesce(k.keys, '{}') end
    from newest n left join named k on k.window_end = n.window_end
    where c.flow_id = $1::integer and c.position = n.position and c.window_end = n.window_end
)
select count(*) from gone
