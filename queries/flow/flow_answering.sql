-- flow_answering: the flows $1 (null: all) whose rows can stand for their expression, as
-- far as the catalogue tells: with a closed window, without an error and without rows that
-- were left out, and with the table that the snapshot shows. Names of tables are looked up
-- as of now and not as of the snapshot: a table that was replaced since is another one, or
-- has another file. Who has read from a table before this query knows that it was that one.
select f.id, f.definition_hash
from flow f
join pg_class c on c.relname = f.table_name and c.relnamespace = (select oid from pg_namespace where nspname = f.table_schema)
where ($1::integer[] is null or f.id = any($1::integer[]))
  and f.emitted_until is not null and f.error is null and f.left_out = 0
  and c.oid = to_regclass(format('%I.%I', f.table_schema, f.table_name)) and c.relfilenode = pg_relation_filenode(c.oid)
order by f.id
