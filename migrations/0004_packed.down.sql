-- Packed segments cannot be kept without the column: their samples would be
-- lost, so this refuses as long as there are any.
do $$
begin
    if exists (select from sealed where packed is not null) then
        raise exception 'there are packed segments, which an older Laminar cannot read'
            using hint = 'keep this version, or restore a backup from before it';
    end if;
end $$;
drop function if exists metric_samples, unpack_segment, unpack_ints, float8_of_bits cascade;
alter table sealed
    drop constraint sealed_packed_or_arrays,
    drop column packed,
    alter series_ids set not null,
    alter offsets set not null,
    alter vals set not null;
