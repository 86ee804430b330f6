-- stuck_copies: COPYs into tables that wait for their client's data, of sessions that
-- have logged in as this one and under its name, which people's sessions do not have.
-- bytes is what has come so far. For PostgreSQL 14 and later.
select a.pid, a.backend_start, a.query_start, p.bytes_processed
from pg_stat_progress_copy p
join pg_stat_activity a on a.pid = p.pid
where p.command = 'COPY FROM' and a.state = 'active' and a.wait_event_type = 'Client' and a.wait_event = 'ClientRead'
  and a.datname = current_database() and a.usename = session_user
  and a.application_name = current_setting('application_name') and a.pid <> pg_backend_pid()
