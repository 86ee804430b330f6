-- metadata_save: describe the metrics $1, each once: types $2, helps $3, units
-- $4. Last write wins; what does not change is not written. In ascending order
-- of the names, so that two processes that describe the same do not deadlock.
insert into metadata as m (metric, type, help, unit)
select n, t, h, u from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as x(n, t, h, u)
order by n collate "C"
on conflict (metric) do update
set type = excluded.type, help = excluded.help, unit = excluded.unit, changed_at = clock_timestamp()
where (m.type, m.help, m.unit) is distinct from (excluded.type, excluded.help, excluded.unit)
