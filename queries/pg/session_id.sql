-- session_id: what tells this session from all others: its process id, and when it began
-- in us since the epoch. That is no date, whose text would be in the role's style.
select pid, (extract(epoch from backend_start) * 1000000)::bigint as began
from pg_stat_activity
where pid = pg_backend_pid()
