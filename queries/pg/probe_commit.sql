-- probe_commit: a write that is committed, to one row of Laminar's own.
insert into upkeep as u (task, due_at, taken_at)
values ('ready', clock_timestamp(), clock_timestamp())
on conflict (task) do update set taken_at = excluded.taken_at
