-- job_next: the oldest unfinished job of each of the flows $1.
-- Reads by the partial index job_unfinished.
select distinct on (j.flow_id)
    j.id, j.flow_id, f.title, j.kind, j.from_t, j.to_t, j.next_t, j.state, j.windows_done, j.rows_written, coalesce(j.error, ''),
    (extract(epoch from j.created_at) * 1000)::bigint,
    coalesce((extract(epoch from j.started_at) * 1000)::bigint, -1),
    coalesce((extract(epoch from j.finished_at) * 1000)::bigint, -1)
from job j join flow f on f.id = j.flow_id
where j.flow_id = any($1::integer[]) and j.state in ('queued', 'running')
order by j.flow_id, j.id
