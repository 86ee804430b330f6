-- Which due times of scheduled work have been taken. Every process computes the
-- same due times and asks for each; the row lets the first have it.
create table upkeep (
    task text primary key,
    due_at timestamptz not null,   -- the newest due time that a process has taken
    taken_at timestamptz not null, -- by the database's clock
    constraint upkeep_task_not_empty check (task <> '')
) with (fillfactor = 50);
