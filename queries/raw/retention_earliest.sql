-- retention_earliest: the time (ms) before which raw samples have been given up.
select coalesce((select earliest_t from retention), 0)
