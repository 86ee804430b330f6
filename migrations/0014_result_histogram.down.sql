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

drop function if exists prometheus_json(histogram);
drop function if exists histogram_buckets(histogram);
drop type histogram;
