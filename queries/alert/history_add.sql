-- history_add: changes of alerts of flow $1: fingerprints $2, labels $3, annotations $4,
-- ends of the windows that brought them $5, phases $6, reasons $7, values $8, times of
-- activity $9, firing $10, resolution $11 and keeping $12 (ms; -1 for none), and whether
-- they are corrections $13.
insert into alert_history (flow_id, fingerprint, labels, annotations, window_end, phase, reason, value,
    active_at, fired_at, resolved_at, kept_since, corrected)
select $1::integer, r.fingerprint, r.labels::jsonb, r.annotations::jsonb, r.window_end, r.phase, r.reason, r.value,
    r.active_at, nullif(r.fired_at, -1), nullif(r.resolved_at, -1), nullif(r.kept_since, -1), r.corrected
from unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::double precision[],
        $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::boolean[])
    with ordinality as r(fingerprint, labels, annotations, window_end, phase, reason, value, active_at, fired_at, resolved_at, kept_since, corrected, place)
order by r.place
