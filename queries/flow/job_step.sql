-- job_step: moves job $1 of flow $2 on: windows with an end up to $3 (ms) are
-- done; $4 windows and $5 rows to add; $6 whether it is finished, $7 why it
-- failed ('' when it did not), $8 which windows it left out ('' for none): then it has
-- failed when it is finished. A job that was cancelled meanwhile stays so.
update job
set next_t = greatest(next_t, least($3::bigint, to_t)),
    windows_done = windows_done + $4::bigint, rows_written = rows_written + $5::bigint,
    state = case when $7::text <> '' or $6::boolean and $8::text <> '' then 'failed' when $6::boolean then 'done' else 'running' end,
    error = coalesce(nullif($7::text, ''), nullif($8::text, '')),
    started_at = coalesce(started_at, clock_timestamp()),
    finished_at = case when $6::boolean or $7::text <> '' then clock_timestamp() end
where id = $1::bigint and flow_id = $2::integer and state in ('queued', 'running')
