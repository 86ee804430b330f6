-- change_logs: the flows that have a change log, by id. Reads the primary key, or all of
-- the table of flows.
select f.id from flow f where exists (select from flow_change c where c.flow_id = f.id) order by f.id
