-- result_grantees: who has been granted something on table $2 in schema $1, quoted,
-- other than its owner. A table that has just been made has what default
-- privileges give.
select distinct case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as role
from pg_class c join pg_namespace n on n.oid = c.relnamespace cross join aclexplode(c.relacl) a
where n.nspname = $1::text and c.relname = $2::text and a.grantee <> c.relowner
