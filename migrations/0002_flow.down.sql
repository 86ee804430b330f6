drop view if exists window_state;
drop function if exists flow_windows(integer);
drop table job, flow_dirty, flow;
