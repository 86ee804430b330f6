-- notice_add: what Alertmanagers are to be told of alerts of flow $1: fingerprints $2,
-- labels $3, annotations $4, windows $5, phases $6, values $7, beginnings $8, ends $9 (ms;
-- -1 while they fire), and whether they come of corrections $10. In this order.
insert into alert_notice (flow_id, fingerprint, labels, annotations, window_end, phase, value, starts_at, ends_at, corrected)
select $1::integer, r.fingerprint, r.labels::jsonb, r.annotations::jsonb, r.window_end, r.phase, r.value, r.starts_at, nullif(r.ends_at, -1), r.corrected
from unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::double precision[], $8::bigint[], $9::bigint[], $10::boolean[])
    with ordinality as r(fingerprint, labels, annotations, window_end, phase, value, starts_at, ends_at, corrected, place)
order by r.place
