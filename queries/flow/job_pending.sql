-- job_pending: what the unfinished refills of flow $1 have still to do: windows
-- with next_t < end <= to_t.
-- Reads by the partial index job_unfinished.
select id, next_t, to_t from job where flow_id = $1::integer and state in ('queued', 'running') order by id
