-- alert_list: all alerts as they stand, those that fire first, then by name and age. Times
-- are ms, -1 for none; told_at is the database's clock, the others are of windows.
select labels_of.name as alertname, a.phase, a.labels::text as labels, a.annotations::text as annotations, a.value, a.active_at,
    coalesce(a.fired_at, -1) as fired_at, coalesce(a.resolved_at, -1) as resolved_at, coalesce(a.kept_since, -1) as kept_since,
    coalesce((extract(epoch from a.sent_at) * 1000)::bigint, -1) as told_at, coalesce(f.emitted_until, -1) as as_of, f.title as flow
from alert a
join flow f on f.id = a.flow_id
cross join lateral (select a.labels->>'alertname' as name) as labels_of
order by array_position('{firing,pending,resolved}'::text[], a.phase), labels_of.name, a.active_at, a.fingerprint
