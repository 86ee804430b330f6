-- job_cancel: ends job $1 if it is not finished yet. Windows that it has
-- computed stay. A round that is under way sees it at its commit (job_step).
update job set state = 'cancelled', finished_at = clock_timestamp()
where id = $1::bigint and state in ('queued', 'running')
