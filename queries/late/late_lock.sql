-- late_lock: the stretches of windows of flow $1 that may lack late samples, and the newest
-- time, ms, that both its samples and the database's clock have reached (-1 for none), if its
-- definition is still $2. Locks the flow
-- until the end of the transaction (see flow_fence for the kind of lock): no round writes
-- meanwhile.
select late_stretches, coalesce(least(newest_t, newest_at), -1) from flow
where id = $1::integer and definition = $2::jsonb
for no key update
