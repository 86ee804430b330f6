-- notice_due: the oldest $4 notices, how many there are in all, and the database's clock
-- (ms), for the process that has lease $1 in term $2, which was renewed within $3 ms; no
-- row for others.
select n.id, n.flow_id, n.fingerprint, f.step, f.definition->>'promql' as expr, n.labels::text as labels, n.annotations::text as annotations,
    n.window_end, n.phase, n.value, n.starts_at, coalesce(n.ends_at, -1) as ends_at, n.corrected,
    (select count(*) from alert_notice) as waiting, (extract(epoch from clock_timestamp()) * 1000)::bigint as now
from alert_notice n
join flow f on f.id = n.flow_id
where exists (
    select 1 from lease
    where purpose = $1::text and term = $2::bigint and owner is not null and renewed_at > clock_timestamp() - $3::bigint * interval '1 millisecond'
)
order by n.id
limit $4::integer
