-- Native histograms. A segment holds floats (histograms is null), or histograms:
-- then vals holds their sums and histograms the rest of each, see package
-- nativehist; histogram_json(payload, sum) reads it. Floats and histograms
-- share the key (series, time).
alter table sealed add column histograms bytea[]
    constraint sealed_histograms_length check (histograms is null or cardinality(histograms) = samples);

-- The metrics that hold histograms, or once did. A row comes with the first
-- histogram of a metric, in its transaction: a snapshot that shows a histogram
-- shows that the metric has some. Flows over such a metric are computed whole.
create table histogram_metric (
    metric_id integer primary key
);

-- Of every generation there still is a table like hot_template.
do $$
declare
    target text;
    lz4 boolean := exists (select from pg_settings where name = 'default_toast_compression' and 'lz4' = any(enumvals));
begin
    for target in
        select 'hot_template'
        union all
        select 'hot_' || id from generation where to_regclass('hot_' || id) is not null
    loop
        execute format('alter table %I add column histograms bytea[]
            constraint hot_histograms_length check (histograms is null or cardinality(histograms) = samples)', target);
        if lz4 then
            execute format('alter table %I alter histograms set compression lz4', target);
        end if;
    end loop;
    if lz4 then
        alter table sealed alter histograms set compression lz4;
    end if;
end $$;
