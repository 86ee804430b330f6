-- history_after: the standing changes of alerts of flow $1 in windows that end after $2
-- (ms), oldest window first, by the index alert_history_window.
select id, window_end, reason, corrected, labels::text as labels, annotations::text as annotations,
    phase, value, active_at, coalesce(fired_at, -1) as fired_at, coalesce(resolved_at, -1) as resolved_at, coalesce(kept_since, -1) as kept_since
from alert_history
where flow_id = $1::integer and window_end > $2::bigint and withdrawn_at is null
order by window_end, id
