insert into flow_change (flow_id, position, window_end, at, keys)
select c.flow_id, c.position, m.window_end, c.at, c.keys from flow_change c cross join lateral unnest(c.more) m(window_end);
alter table flow_change drop column more;
