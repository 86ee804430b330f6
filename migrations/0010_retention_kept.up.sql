-- How long the serving processes keep raw samples, as the last one to start has
-- said: what `flow apply`, which runs elsewhere, judges ranges by. Null until
-- one has.
alter table retention add column kept_ms bigint; -- milliseconds; 0 keeps all samples
alter table retention add constraint retention_kept_not_negative check (kept_ms >= 0);
