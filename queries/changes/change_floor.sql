-- change_floor: raises the floor of flow $1 over what was noted before $2 (ms since the epoch; -1
-- for nothing), and over what is beyond the newest $3 bytes of its log. The floor is committed before
-- anything below it is deleted: who reads compares it in the same snapshot.
with log as (
    select position, at < to_timestamp($2::bigint / 1000.0) as old,
           sum(96 + coalesce(pg_column_size(keys), 0) + coalesce(pg_column_size(more), 0)) over (order by position desc) as bytes
    from flow_change where flow_id = $1::integer
), lost as (
    select max(position) as position from log where old or bytes > $3::bigint
)
update flow f set change_floor = lost.position from lost
where f.id = $1::integer and lost.position > f.change_floor
