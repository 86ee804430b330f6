-- change_flows: where flows stand in the change log, with their progress (ms, -1 for not
-- known): those of the ids $1, or with null all. The definition comes where $2. Reads by
-- the primary key where there are ids.
select f.id, f.incarnation, f.position, f.change_floor, f.vector, coalesce(f.watermark, -1), coalesce(f.emitted_until, -1),
       f.table_schema, case when $2::boolean then f.definition end
from flow f
where $1::integer[] is null or f.id = any($1::integer[])
order by f.id
