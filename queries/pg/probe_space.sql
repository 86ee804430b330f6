-- probe_space: takes 128 KiB of the database's disk for a moment, which fails when
-- that is full, and in a session that may not write.
create temporary table laminar_probe on commit drop as
select string_agg(sha256(random()::text::bytea), '') as noise from generate_series(1, 4096)
