-- probe_commit: a write that is committed, to one row of Laminar's own. The empty writes
-- beside it wait for the locks that a flush waits for, and need the rights that it needs.
with metrics as (
    insert into metric (name) select m.name from metric m where false
), new_series as (
    insert into series (metric_id, region, seq, sha256, labels)
    select s.metric_id, s.region, s.seq, s.sha256, s.labels from series s where false
), regions as (
    update region set last_seq = last_seq where false
), flushes as (
    insert into flush (region, seq, id, metric_ids, samples, max_ts)
    select f.region, f.seq, f.id, f.metric_ids, f.samples, f.max_ts from flush f where false
)
insert into upkeep as u (task, due_at, taken_at)
values ('ready', clock_timestamp(), clock_timestamp())
on conflict (task) do update set taken_at = excluded.taken_at
