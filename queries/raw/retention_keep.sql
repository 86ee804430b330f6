-- retention_keep: say how long ($1 ms, 0 is for ever) raw samples are kept, and how
-- long ($2 ms) after they are given up. A row that says so already is not written.
update retention set kept_ms = $1::bigint, grace_ms = $2::bigint
where (kept_ms, grace_ms) is distinct from ($1::bigint, $2::bigint)
