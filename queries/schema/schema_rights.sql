-- schema_rights: for each schema name in $1 whether it exists; whether the role may
-- use it, and fill it; who owns it; whether there are tables in it; and whether
-- the role may create schemas.
select n.name, s.oid is not null as there,
       coalesce(has_schema_privilege(s.oid, 'usage'), false) as usable,
       coalesce(has_schema_privilege(s.oid, 'create') and has_schema_privilege(s.oid, 'usage'), false) as fillable,
       coalesce(pg_get_userbyid(s.nspowner), '')::text as owner,
       exists (select from pg_class c where c.relnamespace = s.oid) as filled,
       has_database_privilege(current_database(), 'create') as may_create
from unnest($1::text[]) with ordinality as n(name, nr)
left join pg_namespace s on s.nspname = n.name
order by n.nr
