drop table job, flow_dirty, flow;
