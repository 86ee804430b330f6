-- flow_named: the flows of the names $1 (null: all flows) that have a result table
-- and a closed window, for who reads results by the name of the flow: their tables'
-- schemas, the columns of native histograms as result_table spells columns, and whether a
-- raw metric has the flow's name; and where the flow stands in its change log, its life as
-- change_flows has it. Reads the index flow_identity, or all of the table, and
-- the names of metrics by their index.
select f.id, f.definition, f.emitted_until, f.table_schema,
       coalesce((select array_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod))
                 from pg_attribute a where a.attrelid = t.oid and a.attname = 'histogram' and not a.attisdropped), '{}'),
       exists (select from metric m where m.name = f.name),
       case when t.relfilenode = t.oid then f.incarnation else md5(f.incarnation::text || ' ' || t.relfilenode)::uuid end, f.position
from flow f
join pg_namespace n on n.nspname = f.table_schema
join pg_class t on t.relnamespace = n.oid and t.relname = f.table_name and t.oid = to_regclass(format('%I.%I', f.table_schema, f.table_name))
where ($1::text[] is null or f.name = any($1::text[])) and f.emitted_until is not null
order by f.id
