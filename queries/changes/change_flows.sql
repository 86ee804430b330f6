-- change_flows: where flows stand in the change log, with their progress (ms, -1 for not
-- known): those of the ids $1, or with null all. The definition comes where $2. A table
-- that was emptied or rewritten has other files, and its flows another incarnation: it
-- follows from theirs and the file, since nobody has to notice then. Reads by the primary
-- key where there are ids, and the tables by their names.
select f.id, case when c.relfilenode is null or c.relfilenode = c.oid then f.incarnation else md5(f.incarnation::text || ' ' || c.relfilenode)::uuid end,
       f.position, f.change_floor, f.vector, coalesce(f.watermark, -1), coalesce(f.emitted_until, -1),
       f.table_schema, case when $2::boolean then f.definition end
from flow f
left join pg_namespace n on n.nspname = f.table_schema
left join pg_class c on c.relnamespace = n.oid and c.relname = f.table_name
where $1::integer[] is null or f.id = any($1::integer[])
order by f.id
