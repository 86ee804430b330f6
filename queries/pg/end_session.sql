-- end_session: ends session $1 that began at $2, of the role that this one has logged in
-- as, if it is still there.
select pg_terminate_backend(pid) from pg_stat_activity
where pid = $1 and backend_start = $2::timestamptz and usename = session_user
