-- lease_renew: renews term $3 of lease $1 for owner $2. No row is changed when the
-- term is over. One that ran out and that nobody has taken since goes on.
update lease
set renewed_at = clock_timestamp(), pid = a.pid, session_at = a.backend_start
from pg_stat_activity a
where a.pid = pg_backend_pid() and purpose = $1 and owner = $2::uuid and term = $3
