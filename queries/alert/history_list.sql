-- history_list: the newest $1 changes of alerts, newest window first, withdrawn ones too.
-- Times are ms, -1 for none; recorded_at and withdrawn_at are the database's clock. It
-- sorts the history, which is for people to look at now and then.
select h.labels->>'alertname' as alertname, h.phase, h.reason, h.labels::text as labels, h.value, h.window_end, h.corrected,
    (extract(epoch from h.recorded_at) * 1000)::bigint as recorded_at, coalesce((extract(epoch from h.withdrawn_at) * 1000)::bigint, -1) as withdrawn_at, f.title as flow
from alert_history h
join flow f on f.id = h.flow_id
order by h.window_end desc, h.id desc
limit $1::integer
