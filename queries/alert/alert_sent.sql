-- alert_sent: an Alertmanager has taken the alerts of the flows $3 with the fingerprints
-- $4, at $5 (ms, the database's clock). Only in term $2 of lease $1.
update alert a set sent_at = to_timestamp($5::bigint / 1000.0)
from unnest($3::integer[], $4::bigint[]) as r(flow_id, fingerprint)
where a.flow_id = r.flow_id and a.fingerprint = r.fingerprint and a.phase <> 'pending'
  and exists (select 1 from lease where purpose = $1::text and term = $2::bigint)
