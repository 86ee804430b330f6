drop view if exists late_window;
alter table flow drop column late_noted, drop column late_kept, drop column late_stretches;
