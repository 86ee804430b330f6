-- alert_current: the alerts of flow $1 after its last closed window. By the primary key.
select 0::bigint as id, 0::bigint as window_end, '' as reason, false as corrected, labels::text as labels, annotations::text as annotations,
    phase, value, active_at, coalesce(fired_at, -1) as fired_at, coalesce(resolved_at, -1) as resolved_at, coalesce(kept_since, -1) as kept_since
from alert
where flow_id = $1::integer
