alter table flow drop column groups_folded;
drop table flow_group;
