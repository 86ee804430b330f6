-- metric_insert: create the metrics $1, in ascending order of their names, so
-- that two processes that create the same ones do not deadlock.
insert into metric (name) select n from unnest($1::text[]) as n order by n collate "C"
on conflict (name) do nothing
