drop view if exists flow_state;
drop function retention_cut(bigint);
alter table retention drop column held_since;
alter table retention drop column held_t;
alter table retention drop column stepped_at;
alter table retention drop column grace_ms;
alter table retention drop column dropped_t;
drop function db_clock();
