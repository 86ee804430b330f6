-- Packed hot segments cannot be kept without the column: their samples would be
-- lost, so this refuses as long as there are any.
do $$
declare
    target text;
    found boolean;
begin
    for target in select 'hot_' || id from generation where to_regclass('hot_' || id) is not null loop
        execute format('select exists (select from %I where packed is not null)', target) into found;
        if found then
            raise exception 'there are packed hot segments, which an older Laminar cannot read'
                using hint = 'laminar seal --force with this version seals them; or keep this version';
        end if;
    end loop;
end $$;
drop function if exists metric_samples(integer, bigint, bigint) cascade;
drop function if exists metric_histograms(integer, bigint, bigint) cascade;
drop function if exists unpack_columns(bytea, bigint);

do $$
declare
    target text;
begin
    for target in
        select 'hot_template'
        union all
        select 'hot_' || id from generation where to_regclass('hot_' || id) is not null
    loop
        execute format('alter table %I
            drop constraint hot_packed_or_arrays,
            drop column packed,
            alter series_ids set not null,
            alter offsets set not null,
            alter vals set not null', target);
    end loop;
end $$;
