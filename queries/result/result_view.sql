-- result_view: whether there is something named $2 in schema $1, whether it is a view that
-- carries Laminar's mark, and who may read table $3 beside its owner (quoted).
select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1::text and c.relname = $2::text),
       exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
               where n.nspname = $1::text and c.relname = $2::text and c.relkind = 'v' and obj_description(c.oid, 'pg_class') like 'Laminar flow %'),
       (select coalesce(array_agg(distinct case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end), '{}')
        from pg_class c join pg_namespace n on n.oid = c.relnamespace cross join aclexplode(c.relacl) a
        where n.nspname = $1::text and c.relname = $3::text and a.privilege_type = 'SELECT' and a.grantee <> c.relowner)
