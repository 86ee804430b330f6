-- change_floor: raises the floor of flow $1 over what was noted more than $2 ms ago, and
-- over what is beyond the newest $3 bytes of its log. The floor is committed before
-- anything below it is deleted: who reads compares it in the same snapshot.
with log as (
    select position, at < db_clock() - $2::bigint * interval '1 millisecond' as old,
           sum(96 + coalesce(pg_column_size(keys), 0) + coalesce(pg_column_size(more), 0)) over (order by position desc) as bytes
    from flow_change where flow_id = $1::integer
), lost as (
    select max(position) as position from log where old or bytes > $3::bigint
)
update flow f set change_floor = lost.position from lost
where f.id = $1::integer and lost.position > f.change_floor
