-- lease_take: takes lease $1 for owner $2, that people know as $3, unless another one
-- has it: see lease_look, whose $3 is $4 here. The session $5 that began at $6 was seen
-- to be gone, so what it renewed last counts as free. Of several that try at once the
-- row's lock lets one through, and the others find it renewed. Returns the term; no row
-- when another one has the lease.
insert into lease as l (purpose, owner, holder, term, pid, session_at, taken_at, renewed_at)
select $1, $2::uuid, $3, 1, pid, backend_start, clock_timestamp(), clock_timestamp()
from pg_stat_activity
where pid = pg_backend_pid()
on conflict (purpose) do update
set owner = excluded.owner, holder = excluded.holder, term = l.term + 1, pid = excluded.pid,
    session_at = excluded.session_at, taken_at = clock_timestamp(), renewed_at = clock_timestamp()
where l.owner is null or l.owner = excluded.owner
   or l.renewed_at <= clock_timestamp() - $4::bigint * interval '1 millisecond'
   or l.renewed_at > clock_timestamp() + $4::bigint * interval '1 millisecond'
   or l.pid = $5 and l.session_at = $6::timestamptz
returning term
