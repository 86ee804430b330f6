-- alert_due: the alerts that Alertmanagers know of or should, and of which no notice
-- waits: those that fire, and those resolved of which they were told. Only rules whose
-- newest window ended at most $4 ms ago, for the process that has lease $1 in term $2,
-- which was renewed within $3 ms. sent_at and now are the database's clock (ms; -1 for
-- never). It reads all alerts, which are few beside all else.
select a.flow_id, a.fingerprint, f.step, f.definition->>'promql' as expr, a.labels::text as labels, a.annotations::text as annotations,
    f.emitted_until, a.phase, a.value, a.fired_at, coalesce(a.resolved_at, -1) as resolved_at,
    coalesce((extract(epoch from a.sent_at) * 1000)::bigint, -1) as sent_at, (extract(epoch from clock_timestamp()) * 1000)::bigint as now
from alert a
join flow f on f.id = a.flow_id
where (a.phase = 'firing' or a.phase = 'resolved' and a.sent_at is not null)
  and f.emitted_until >= (extract(epoch from clock_timestamp()) * 1000)::bigint - $4::bigint
  and not exists (select 1 from alert_notice n where n.flow_id = a.flow_id and n.fingerprint = a.fingerprint)
  and exists (
    select 1 from lease
    where purpose = $1::text and term = $2::bigint and owner is not null and renewed_at > clock_timestamp() - $3::bigint * interval '1 millisecond'
  )
order by a.flow_id, a.fingerprint
