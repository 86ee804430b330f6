-- schema_rights: for each schema name in $1 whether it exists and whether the
-- role may use and fill it; and whether the role may create schemas.
select n.name, s.oid is not null,
       coalesce(has_schema_privilege(s.oid, 'create') and has_schema_privilege(s.oid, 'usage'), false),
       has_database_privilege(current_database(), 'create')
from unnest($1::text[]) with ordinality as n(name, nr)
left join pg_namespace s on s.nspname = n.name
order by n.nr
