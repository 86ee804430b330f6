-- alert_put: the alerts of flow $1 with the fingerprints $2 are as given: labels $3,
-- annotations $4, phases $5, values $6, and times of activity $7, firing $8, resolution
-- $9 and keeping $10 (ms; -1 for none). One that begins anew has not been sent. By the
-- primary key; the flow's row is locked by its round (I4).
insert into alert as a (flow_id, fingerprint, labels, annotations, phase, value, active_at, fired_at, resolved_at, kept_since)
select $1::integer, r.fingerprint, r.labels::jsonb, r.annotations::jsonb, r.phase, r.value,
    r.active_at, nullif(r.fired_at, -1), nullif(r.resolved_at, -1), nullif(r.kept_since, -1)
from unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::double precision[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[])
    as r(fingerprint, labels, annotations, phase, value, active_at, fired_at, resolved_at, kept_since)
on conflict (flow_id, fingerprint) do update
set annotations = excluded.annotations, phase = excluded.phase, value = excluded.value, active_at = excluded.active_at,
    fired_at = excluded.fired_at, resolved_at = excluded.resolved_at, kept_since = excluded.kept_since,
    sent_at = case when excluded.active_at = a.active_at and excluded.phase <> 'pending' then a.sent_at end
