drop view if exists flow_state;
alter table flow drop column left_out_row, drop column left_out;
drop table flow_stall;
