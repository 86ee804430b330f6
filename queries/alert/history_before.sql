-- history_before: the last standing change of each alert of flow $1 up to the window
-- ending at $2 (ms), by the index alert_history_instance. Those long gone are left out.
select h.id, h.window_end, h.reason, h.corrected, h.labels::text as labels, h.annotations::text as annotations,
    h.phase, h.value, h.active_at, coalesce(h.fired_at, -1) as fired_at, coalesce(h.resolved_at, -1) as resolved_at, coalesce(h.kept_since, -1) as kept_since
from (
    select distinct on (fingerprint) *
    from alert_history
    where flow_id = $1::integer and window_end <= $2::bigint and withdrawn_at is null
    order by fingerprint, window_end desc
) h
where h.phase in ('pending', 'firing') or h.phase = 'resolved' and h.resolved_at >= $2::bigint - 900000
order by h.window_end, h.id
