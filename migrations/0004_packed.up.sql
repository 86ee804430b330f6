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
