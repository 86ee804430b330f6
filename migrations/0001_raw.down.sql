do $$
declare hot record;
begin
    for hot in select id from generation where state <> 'dropped' loop
        execute format('drop table if exists %I', 'hot_' || hot.id);
    end loop;
end $$;
drop table retention, sealed, hot_template, metric_floor, series, metric, flush, generation, region, installation;
