-- job_list: jobs, newest first: all, or with $1 the one with that id, or with $3 those of
-- that flow; at most $2.
select
    j.id, j.flow_id, f.title, j.kind, j.from_t, j.to_t, j.next_t, j.state, j.windows_done, j.rows_written, coalesce(j.error, ''),
    (extract(epoch from j.created_at) * 1000)::bigint,
    coalesce((extract(epoch from j.started_at) * 1000)::bigint, -1),
    coalesce((extract(epoch from j.finished_at) * 1000)::bigint, -1)
from job j join flow f on f.id = j.flow_id
where ($1::bigint is null or j.id = $1::bigint) and ($3::integer is null or j.flow_id = $3::integer)
order by j.id desc
limit $2::integer
