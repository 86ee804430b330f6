-- retention_kept: how long raw samples are kept (ms, 0 is for ever), as the last
-- serving process to start has said; null when none has.
select kept_ms from retention
