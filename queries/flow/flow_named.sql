-- flow_named: the flows of the names $1 (null: all flows) that have a result table
-- and a closed window, for who reads results by the name of the flow: their tables'
-- schemas, the columns of native histograms as result_table spells columns, and whether a
-- raw metric has the flow's name. Reads the index flow_identity, or all of the table, and
-- the names of metrics by their index.
select f.id, f.definition, f.emitted_until, f.table_schema,
       coalesce((select array_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod))
                 from pg_attribute a where a.attrelid = t.oid and a.attname = 'histogram' and not a.attisdropped), '{}'),
       exists (select from metric m where m.name = f.name)
from flow f
cross join lateral to_regclass(format('%I.%I', f.table_schema, f.table_name)) as t(oid)
where ($1::text[] is null or f.name = any($1::text[])) and f.emitted_until is not null and t.oid is not null
order by f.id
