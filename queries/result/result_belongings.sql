-- result_belongings: what people have given to the table $2 in schema $1, or made of
-- it, in the order in which it can be made again for the table that takes its place, $3
-- (quoted): grants, comments on columns, indexes and constraints, and the views that
-- read it, each after those it reads itself. Each has a name for people and the
-- statements that make it; none where it cannot be made again exactly: a
-- materialized view, a view with triggers, a function, a policy, a trigger.
with recursive old as (
    select c.oid, c.relowner, c.relacl from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = $1::text and c.relname = $2::text
), reads as (
    select r.ev_class as view, 1 as depth from old
    join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = old.oid and d.classid = 'pg_rewrite'::regclass
    join pg_rewrite r on r.oid = d.objid and r.ev_class <> old.oid
    union
    select r.ev_class, reads.depth + 1 from reads
    join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = reads.view and d.classid = 'pg_rewrite'::regclass
    join pg_rewrite r on r.oid = d.objid and r.ev_class <> reads.view
), views as (
    select v.oid, v.relkind, v.relowner, v.relacl, v.reloptions, max(reads.depth) as depth,
           format('%I.%I', n.nspname, v.relname) as ident
    from reads join pg_class v on v.oid = reads.view join pg_namespace n on n.oid = v.relnamespace
    group by v.oid, n.nspname
), grants as (
    select 1 as stage, 0 as depth, $3::text as ident, a.* from old, aclexplode(old.relacl) a where a.grantee <> old.relowner
    union all
    select 6, views.depth, views.ident, a.* from views, aclexplode(views.relacl) a
    where views.relkind = 'v' and a.grantee <> views.relowner
), who as (
    select g.*, case when g.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(g.grantee)) end as role,
           case when g.is_grantable then ' with grant option' else '' end as option
    from grants g
)
select what, statements from (
    select stage, depth, format('%s for %s', privilege_type, role) as what,
           array[format('grant %s on table %s to %s%s', privilege_type, ident, role, option)] as statements
    from who
    union all
    select 2, 0, format('%s of column %I for %s', a.privilege_type, c.attname, r.role),
           array[format('grant %s (%I) on table %s to %s%s', a.privilege_type, c.attname, $3::text, r.role,
               case when a.is_grantable then ' with grant option' else '' end)]
    from old join pg_attribute c on c.attrelid = old.oid and not c.attisdropped cross join aclexplode(c.attacl) a
    cross join lateral (select case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as role) r
    union all
    select 2, 0, format('the comment on column %I', c.attname),
           array[format('comment on column %s.%I is %L', $3::text, c.attname, col_description(old.oid, c.attnum))]
    from old join pg_attribute c on c.attrelid = old.oid and not c.attisdropped
    where c.attnum > 0 and col_description(old.oid, c.attnum) is not null
    union all
    select 3, 0, 'constraint ' || quote_ident(k.conname),
           array[format('alter table %s add constraint %I %s', $3::text, k.conname, pg_get_constraintdef(k.oid))]
    from old join pg_constraint k on k.conrelid = old.oid and k.contype in ('c', 'u', 'x', 'f')
    union all
    select 3, 1, 'index ' || quote_ident(i.relname), array[pg_get_indexdef(i.oid)]
           || case when obj_description(i.oid, 'pg_class') is null then '{}'
              else array[format('comment on index %I.%I is %L', $1::text, i.relname, obj_description(i.oid, 'pg_class'))] end
    from old join pg_index x on x.indrelid = old.oid join pg_class i on i.oid = x.indexrelid
    where not exists (select from pg_constraint k where k.conindid = i.oid and k.contype in ('p', 'u', 'x'))
    union all
    select 4, 0, pg_describe_object(d.classid, d.objid, d.objsubid), null
    from old join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = old.oid
    where d.classid in ('pg_proc'::regclass, 'pg_policy'::regclass)
       or d.classid = 'pg_trigger'::regclass and not (select tgisinternal from pg_trigger where oid = d.objid)
       or d.classid = 'pg_constraint'::regclass and (select conrelid from pg_constraint where oid = d.objid) <> old.oid
       or d.classid = 'pg_publication_rel'::regclass
    union all
    select 5, views.depth, case views.relkind when 'm' then 'materialized view ' else 'view ' end || views.ident,
           case when views.relkind = 'v' and not exists (select from pg_trigger t where t.tgrelid = views.oid) then
               array[format('create view %s%s as %s', views.ident,
                   coalesce(' with (' || array_to_string(views.reloptions, ', ') || ')', ''), pg_get_viewdef(views.oid)),
                   format('alter view %s owner to %I', views.ident, pg_get_userbyid(views.relowner))]
               || case when obj_description(views.oid, 'pg_class') is null then '{}'
                  else array[format('comment on view %s is %L', views.ident, obj_description(views.oid, 'pg_class'))] end
           end
    from views
) b
order by stage, depth, what
