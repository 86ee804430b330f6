-- late_keep: keeps samples that came too late for closed windows of flow $1: of series $2
-- at times $3 (ms) with values $4, which stay out of the windows with ends from $5 to $6
-- (ms). Labels are those of the series, by its primary key.
with kept as (
    insert into flow_late_sample (flow_id, series_id, labels, ts, value, first_end, last_end, at)
    select $1::integer, s.id, s.labels, a.ts, a.value, a.first_end, a.last_end, db_clock()
    from unnest($2::integer[], $3::bigint[], $4::double precision[], $5::bigint[], $6::bigint[])
        with ordinality as a(series_id, ts, value, first_end, last_end, n)
    join series s on s.id = a.series_id
    order by a.n
    returning 1
)
update flow set late_kept = late_kept + (select count(*) from kept) where id = $1::integer
