-- history_withdraw: the changes $2 of alerts of flow $1 never were: windows that were
-- computed again do not have them. By the primary key.
update alert_history set withdrawn_at = clock_timestamp()
where flow_id = $1::integer and id = any($2::bigint[]) and withdrawn_at is null
