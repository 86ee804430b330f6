-- reader_rights: the statements that still have to be run so that role $3 may read all
-- that Laminar has made in its own schema $1 and in that of the results $2, and what it
-- will make there; with $4 those that take that back. None where nothing is left to
-- do. Tables of others in these schemas are no concern of it.
with installed as (
    select c.relowner as owner from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = $1::text and c.relname = 'schema_migrations'
), who as (
    select r.oid, quote_ident(r.rolname) as name from pg_roles r where r.rolname = $3::text
), made as (
    select n.nspname, c.oid, c.relname, c.relacl from pg_class c join pg_namespace n on n.oid = c.relnamespace join installed on c.relowner = installed.owner
    where c.relkind in ('r', 'p', 'v') and not c.relispartition
      and (n.nspname = $1::text or n.nspname = $2::text and obj_description(c.oid, 'pg_class') like 'Laminar flow %')
), rights as (
    select 1 as stage, format('usage on schema %I', n.nspname) as what, '' as head,
           exists (select from aclexplode(n.nspacl) a where a.grantee = who.oid and a.privilege_type = 'USAGE') as there
    from who, pg_namespace n where n.nspname in ($1::text, $2::text)
    union all
    select 2, 'select on tables', format('alter default privileges for role %I in schema %I ', pg_get_userbyid(installed.owner), n.nspname),
           exists (select from pg_default_acl d, aclexplode(d.defaclacl) a
                   where d.defaclrole = installed.owner and d.defaclnamespace = n.oid and d.defaclobjtype = 'r'
                     and a.grantee = who.oid and a.privilege_type = 'SELECT')
    from who, installed, pg_namespace n where n.nspname in ($1::text, $2::text)
    union all
    select 3, format('select on table %I.%I', made.nspname, made.relname), '',
           exists (select from aclexplode(made.relacl) a where a.grantee = who.oid and a.privilege_type = 'SELECT')
    from who, made
)
select rights.head || case when $4::boolean then 'revoke ' || rights.what || ' from ' else 'grant ' || rights.what || ' to ' end || who.name as statement
from rights, who
where rights.there = $4::boolean
order by rights.stage, rights.what
