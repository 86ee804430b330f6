-- alerts: the alerts of all rules as they stand after the last closed window of each,
-- resolved ones for 15 minutes. active_since is when the expression began to have the
-- labels; told_at is when an Alertmanager last took the alert.
create or replace view alerts as
select a.labels->>'alertname' as alertname, a.phase as state, a.labels, a.annotations, a.value,
    to_timestamp(a.active_at / 1000.0) as active_since, to_timestamp(a.fired_at / 1000.0) as firing_since,
    to_timestamp(a.resolved_at / 1000.0) as resolved_at, to_timestamp(a.kept_since / 1000.0) as kept_firing_since,
    a.sent_at as told_at, to_timestamp(f.emitted_until / 1000.0) as as_of, f.title as flow
from alert a
join flow f on f.id = a.flow_id
