-- alert_changes: every change of every alert, by the window that brought it. corrected
-- says that late samples showed it: the window had said something else. withdrawn_at is
-- when late samples showed that it never was so; null while it stands.
create or replace view alert_changes as
select f.title as flow, h.labels->>'alertname' as alertname, h.labels, to_timestamp(h.window_end / 1000.0) as window_end,
    h.phase as state, h.reason, h.value, h.annotations, to_timestamp(h.active_at / 1000.0) as active_since,
    to_timestamp(h.fired_at / 1000.0) as firing_since, h.corrected, h.recorded_at, h.withdrawn_at
from alert_history h
join flow f on f.id = h.flow_id
