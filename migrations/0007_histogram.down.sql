drop view if exists histogram_sample;
drop function if exists metric_histograms(integer, bigint, bigint);
drop function if exists histogram_json(bytea, double precision);
drop function if exists histogram_bound(bigint, integer);

-- Histograms go: without the column their sums would be taken for floats.
delete from sealed where histograms is not null;
alter table sealed drop column histograms;

do $$
declare
    target text;
begin
    for target in
        select 'hot_template'
        union all
        select 'hot_' || id from generation where to_regclass('hot_' || id) is not null
    loop
        execute format('delete from %I where histograms is not null', target);
        execute format('alter table %I drop column histograms', target);
    end loop;
end $$;

drop table histogram_metric;
