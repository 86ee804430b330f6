-- flow_heads: all flows, or with $1 only that one, with what tells whether one
-- came, went, changed or got another owner; whether its result table was made,
-- dropped or altered (shape: null without a table); and how far its watermark is
-- behind the database's clock, ms. Reads pg_attribute by its primary key.
select f.id, f.title, f.fence_group, f.definition_hash, f.epoch,
       coalesce((select c.oid::text || ' ' || md5(string_agg(a.attname || ' ' || a.atttypid || ' ' || a.atttypmod || ' '
                                                   || (a.attnotnull and not a.atthasdef), ',' order by a.attnum))
                 from pg_class c
                 join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                 where c.relname = f.table_name and c.relnamespace = (select oid from pg_namespace where nspname = f.table_schema)
                 group by c.oid), '') as shape,
       coalesce((extract(epoch from db_clock()) * 1000)::bigint - f.watermark, -1) as lag
from flow f
where $1::integer is null or f.id = $1::integer
order by f.id
