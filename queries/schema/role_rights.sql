-- role_rights: the statements that still have to be run so that role $3 may do what a
-- role of kind $4 does with all that Laminar has made in its own schema $1 and in that of
-- the results $2, and what it will make there; with $5 those that take that back. None
-- where nothing is left to do. Tables of others in these schemas are no concern of it.
--
-- Every kind reads everything. 'ingest' takes samples in, 'flows' keeps flows up to date.
-- What neither of them writes only the owner of the tables does: migrations, sealing,
-- drops, definitions.
with installed as (
    select c.relowner as owner from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = $1::text and c.relname = 'schema_migrations'
), who as (
    select r.oid, quote_ident(r.rolname) as name from pg_roles r where r.rolname = $3::text
), made as (
    select n.nspname, n.nspname = $2::text and obj_description(c.oid, 'pg_class') like 'Laminar flow %' as result, c.oid, c.relname, c.relkind, c.relacl
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join installed on c.relowner = installed.owner
    where c.relkind in ('r', 'p', 'v') and not c.relispartition
      and (n.nspname = $1::text or n.nspname = $2::text and obj_description(c.oid, 'pg_class') like 'Laminar flow %')
), writes (kind, relname, privileges) as (
    values ('ingest', 'region', '{update}'::text[]), ('ingest', 'flush', '{insert}'), ('ingest', 'metric', '{insert}'), ('ingest', 'series', '{insert}'),
           ('ingest', 'metadata', '{insert,update}'), ('ingest', 'histogram_metric', '{insert}'), ('ingest', 'ha_election', '{insert,update}'),
           ('ingest', 'series_sender', '{insert,update}'), ('ingest', 'upkeep', '{insert,update}'),
           ('flows', 'flow', '{update}'), ('flows', 'flow_dirty', '{insert,update,delete}'), ('flows', 'flow_stall', '{insert,update,delete}'), ('flows', 'flow_clash', '{insert,delete}'), ('flows', 'flow_change', '{insert}'), ('flows', 'flow_late', '{insert,update,delete}'), ('flows', 'flow_group', '{insert}'), ('flows', 'flow_late_sample', '{insert,delete}'),
           ('flows', 'alert', '{insert,update,delete}'), ('flows', 'alert_history', '{insert,update,delete}'), ('flows', 'alert_notice', '{insert,update,delete}'),
           ('flows', 'job', '{update}'), ('flows', 'flownode', '{insert,update,delete}'), ('flows', 'lease', '{insert,update}')
), defaults (kind, nspname, privileges) as ( -- of tables to come: hot ones, and those of results
    values ('reader', $1::text, '{select}'::text[]), ('reader', $2::text, '{select}'),
           ('ingest', $1::text, '{select,insert}'), ('ingest', $2::text, '{select}'),
           ('flows', $1::text, '{select}'), ('flows', $2::text, '{select,insert,update,delete}')
), rights as (
    select 1 as stage, format('usage on schema %I', n.nspname) as what, '' as head,
           exists (select from aclexplode(n.nspacl) a where a.grantee = who.oid and a.privilege_type = 'USAGE') as there
    from who, pg_namespace n where n.nspname in ($1::text, $2::text)
    union all
    select 2, format('%s on tables', p.privilege), format('alter default privileges for role %I in schema %I ', pg_get_userbyid(installed.owner), n.nspname),
           exists (select from pg_default_acl d, aclexplode(d.defaclacl) a
                   where d.defaclrole = installed.owner and d.defaclnamespace = n.oid and d.defaclobjtype = 'r'
                     and a.grantee = who.oid and a.privilege_type = upper(p.privilege))
    from who, installed, defaults w join pg_namespace n on n.nspname = w.nspname, unnest(w.privileges) p (privilege)
    where w.kind = $4::text
    union all
    select 3, format('%s on table %I.%I', p.privilege, made.nspname, made.relname), '',
           exists (select from aclexplode(made.relacl) a where a.grantee = who.oid and a.privilege_type = upper(p.privilege))
    from who, made, lateral (
        select 'select' union all
        select unnest(w.privileges) from writes w where w.kind = $4::text and w.relname = made.relname and made.nspname = $1::text union all
        select 'insert' where $4::text = 'ingest' and made.nspname = $1::text and made.relname ~ '^hot_[0-9]+$' union all
        select unnest('{insert,update,delete}'::text[]) where $4::text = 'flows' and made.result
    ) p (privilege)
)
select rights.head || case when $5::boolean then 'revoke ' || rights.what || ' from ' else 'grant ' || rights.what || ' to ' end || who.name as statement
from rights, who
where rights.there = $5::boolean
order by rights.stage, rights.head, rights.what
