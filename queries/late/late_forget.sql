-- late_forget: forgets what is noted of late samples of flow $1, which is locked: kept
-- samples that were left out before $2 (ms), and windows that end before $3 (ms), of
-- either the oldest $4 at most; $5 is its stretches of windows from then on. Gives how many
-- samples and windows that was. By the primary keys.
with old_samples as (
    delete from flow_late_sample
    where ctid = any(array(
        select o.ctid from (select s.ctid, s.at from flow_late_sample s where s.flow_id = $1::integer order by s.id limit $4::bigint) o
        where o.at < to_timestamp($2::bigint / 1000.0)))
    returning 1
), old_windows as (
    delete from flow_late
    where ctid = any(array(
        select o.ctid from flow_late o where o.flow_id = $1::integer and o.window_end < $3::bigint order by o.window_end limit $4::bigint))
    returning 1
), n as (
    select (select count(*) from old_samples) as samples, (select count(*) from old_windows) as windows
), counted as (
    update flow f set late_kept = f.late_kept - n.samples, late_noted = f.late_noted - n.windows, late_stretches = $5::bigint[]
    from n where f.id = $1::integer and (n.samples > 0 or n.windows > 0 or f.late_stretches <> $5::bigint[])
)
select samples, windows from n
