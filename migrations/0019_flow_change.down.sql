drop view if exists flow_state;
drop function db_lineage();
drop table flow_change;
alter table flow drop column lineage;
alter table flow drop column change_floor;
alter table flow drop column incarnation;
alter table flow drop column position;
