-- retention_dropped: the time (ms) before which raw samples are gone. What lies between
-- it and retention_earliest is given up and can still be taken back.
select coalesce((select dropped_t from retention), 0)
