-- upkeep_take: takes for this process the work of task $1 that is due at $2; no
-- row when another process has taken it, or a later one. Who comes while another
-- transaction has the row waits for it, and takes the work if that rolls back.
-- A due time more than a minute ahead of the database's clock is left over from
-- a clock that was set back: it holds nothing up.
insert into upkeep as u (task, due_at, taken_at)
values ($1, $2, db_clock())
on conflict (task) do update
set due_at = excluded.due_at, taken_at = excluded.taken_at
where u.due_at < excluded.due_at or u.due_at > db_clock() + interval '1 minute'
returning task
