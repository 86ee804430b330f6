-- change_drop: deletes at most $2 changes of flow $1 up to its floor, the oldest first.
-- Reads by the primary key.
delete from flow_change c
where c.flow_id = $1::integer
  and c.position <= (select max(x.position) from (
      select o.position from flow_change o
      where o.flow_id = $1::integer and o.position <= (select change_floor from flow where id = $1::integer)
      order by o.position limit $2::integer) x)
