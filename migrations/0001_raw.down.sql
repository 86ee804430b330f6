drop view if exists sample;
drop function if exists metric_samples(integer, bigint, bigint);
do $$
declare
    hot record;
begin
    for hot in
        select relname from pg_class
        where relnamespace = current_schema()::regnamespace and relkind = 'r' and relname ~ '^hot_[0-9]+$'
    loop
        execute format('drop table %I', hot.relname);
    end loop;
end $$;
drop table retention, sealed, hot_template, metric_floor, series, metric, installed_code, unused_table, flush, generation, region, installation;
