drop view if exists late_sample;
drop view if exists late_window;
drop table flow_late_sample;
drop table flow_late;
alter table flow drop column late_samples;
