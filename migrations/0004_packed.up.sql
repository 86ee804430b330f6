-- Sealed segments hold their samples packed (docs/storage.md). Those that were
-- sealed before keep their arrays until retention drops them: packing them is
-- nothing that SQL does well. The constraint looks only at what is null, so that
-- checking what is there reads no TOAST.
alter table sealed
    alter series_ids drop not null,
    alter offsets drop not null,
    alter vals drop not null,
    add column packed bytea,
    add constraint sealed_packed_or_arrays check (
        (packed is null) = (series_ids is not null) and (packed is null) = (offsets is not null) and (packed is null) = (vals is not null));

-- Packed bytes are nearly as small as they get; lz4 finds another 5 % and costs
-- least, where the server has it.
do $$
begin
    if exists (select from pg_settings where name = 'default_toast_compression' and 'lz4' = any(enumvals)) then
        execute 'alter table sealed alter packed set compression lz4'; -- no syntax of PostgreSQL 13
    end if;
end $$;
