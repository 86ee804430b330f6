-- alert_remove: flow $1 has no alerts with the fingerprints $2 any more. By the primary key.
delete from alert where flow_id = $1::integer and fingerprint = any($2::bigint[])
