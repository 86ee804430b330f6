-- flow_begins: from when on flow $1 has results (all windows with an end after it
-- are in its table), and the newest sample that it has seen; ms, -1 where there is
-- nothing. By the primary key.
select coalesce(begins_after, -1)::bigint, coalesce(newest_t, -1)::bigint from flow where id = $1::integer
