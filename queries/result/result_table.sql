-- result_table: what is known of the table $2 in schema $1: whether it exists,
-- its comment, its columns as "name type" in their order, and the names of those
-- that a row must give: not null without a default.
select c.oid is not null, coalesce(obj_description(c.oid, 'pg_class'), ''),
       coalesce((select array_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) order by a.attnum)
                 from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '{}'),
       coalesce((select array_agg(a.attname::text order by a.attnum)
                 from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                 and a.attnotnull and not a.atthasdef and a.attidentity = ''), '{}')
from (values (1)) as one(row)
left join pg_class c on c.relname = $2::text
    and c.relnamespace = (select oid from pg_namespace where nspname = $1::text)
