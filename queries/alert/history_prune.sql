-- history_prune: forgets changes of alerts in windows that ended before $1 (ms): withdrawn
-- ones, ends, and changes that a later one before $1 has replaced. The last word on an
-- alert that is still active stays, however old, because the state is restored from it.
-- At most $2 rows go, so that the locks are short. By the index alert_history_instance.
with old as (
    select h.id from alert_history h
    where h.window_end < $1::bigint and (
        h.withdrawn_at is not null or h.phase in ('resolved', 'inactive') or exists (
            select 1 from alert_history later
            where later.flow_id = h.flow_id and later.fingerprint = h.fingerprint and later.withdrawn_at is null
              and later.window_end > h.window_end and later.window_end < $1::bigint))
    limit $2::integer
)
delete from alert_history where id in (select id from old)
