-- retention_drop: what is before $1 ms is dropped by this transaction. No row when it has
-- been taken back meanwhile: then it must stay.
update retention set dropped_t = greatest(dropped_t, $1::bigint)
where earliest_t >= $1::bigint
returning dropped_t
