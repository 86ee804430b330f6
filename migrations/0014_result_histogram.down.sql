-- Results that are histograms go: tables have no place for them any more.
do $$
declare
    result record;
begin
    for result in
        select a.attrelid::regclass as name from pg_attribute a join pg_class c on c.oid = a.attrelid and c.relkind = 'r'
        where a.atttypid = to_regtype('histogram') and not a.attisdropped
    loop
        execute format('delete from %s where histogram is not null', result.name);
        execute format('alter table %s drop column histogram cascade, alter column value set not null', result.name);
    end loop;
end $$;

-- The functions of the type; those that ask histograms are made at each start.
do $$
declare
    name text;
begin
    foreach name in array array(
        select p.oid::regprocedure::text from pg_proc p
        where p.pronamespace = (select t.typnamespace from pg_type t where t.oid = to_regtype('histogram'))
            and (p.proname like 'distinct%' -- of sets, which are histograms
                 or p.proargtypes::oid[] && array[to_regtype('histogram')::oid, to_regtype('histogram[]')::oid]
                 or p.prorettype in (to_regtype('histogram'), to_regtype('histogram[]')))
    ) loop
        execute format('drop routine if exists %s cascade', name);
    end loop;
end $$;

drop type histogram;
