-- retention_keep: say how long ($1 ms, 0 is for ever) raw samples are kept. A row
-- that says so already is not written.
update retention set kept_ms = $1::bigint where kept_ms is distinct from $1::bigint
