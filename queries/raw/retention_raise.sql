-- retention_raise: give up all samples before $1 ms, aligned down to a time
-- bucket ($2 ms wide) and not beyond the clock. The time only grows, and is
-- committed before anything is dropped (I6).
update retention set earliest_t = greatest(earliest_t,
    least($1::bigint, (extract(epoch from clock_timestamp()) * 1000)::bigint) / $2::bigint * $2::bigint)
returning earliest_t
