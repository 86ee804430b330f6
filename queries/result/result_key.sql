-- result_key: how table $2 in schema $1 stands to a key over the columns $3: whether the
-- table exists, its columns, the name of its primary key, whether that is over those
-- columns, and $4 if that is a unique index over them, which can take its place; else
-- ''.
with there as (
    select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1::text and c.relname = $2::text
), indexes as (
    select i.relname::text as name, x.indisprimary,
           (select array_agg(a.attname::text order by a.attname::text collate "C")
            from pg_attribute a where a.attrelid = x.indrelid and a.attnum = any(x.indkey::int2[])) as columns
    from there join pg_index x on x.indrelid = there.oid join pg_class i on i.oid = x.indexrelid
    where x.indisunique and x.indisvalid and x.indimmediate and x.indpred is null and x.indexprs is null
), wide as (
    select array_agg(u order by u collate "C") as columns from unnest($3::text[]) u
)
select exists (select from there),
       coalesce((select array_agg(a.attname::text) from there join pg_attribute a on a.attrelid = there.oid and a.attnum > 0 and not a.attisdropped), '{}'),
       coalesce((select name from indexes where indisprimary), ''),
       coalesce((select i.columns = w.columns from indexes i cross join wide w where i.indisprimary), false),
       coalesce((select i.name from indexes i join wide w on i.columns = w.columns where i.name = $4::text), '')
