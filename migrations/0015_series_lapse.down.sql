alter table series reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
alter table retention drop column removed_series;
alter table retention drop column swept_t;
alter table sealed drop column held_series;
alter table flush drop column removed_series;
