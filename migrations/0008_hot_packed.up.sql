-- Hot segments hold their samples packed too, as columns (docs/storage.md):
-- PostgreSQL then takes and gives them whole, where it took and gave arrays
-- element by element. What was written before keeps its arrays until it is
-- sealed. The constraint looks only at what is null, so that checking what is
-- there reads no TOAST.
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
        execute format('alter table %I
            alter series_ids drop not null,
            alter offsets drop not null,
            alter vals drop not null,
            add column packed bytea,
            add constraint hot_packed_or_arrays check (
                (packed is null) = (series_ids is not null) and (packed is null) = (offsets is not null) and (packed is null) = (vals is not null))', target);
        if lz4 then
            execute format('alter table %I alter packed set compression lz4', target); -- no syntax of PostgreSQL 13
        end if;
    end loop;
end $$;
