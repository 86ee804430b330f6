-- lapse_done: series without samples since what is before $1 ms was dropped have been
-- removed.
update retention set swept_t = $1::bigint where swept_t < $1::bigint
