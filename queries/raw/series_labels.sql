-- series_labels: as series_after, but instead of the labels only the values of
-- those named $4 to $7, null for what a series has not. To print a whole jsonb
-- is nearly all of what a series costs: two values of each take less than half of the time.
select s.id, s.metric_id, s.region, s.seq,
       s.labels ->> $4::text as label_1, s.labels ->> $5::text as label_2,
       s.labels ->> $6::text as label_3, s.labels ->> $7::text as label_4
from metric m
cross join unnest($1::integer[], $2::bigint[]) as w(region, after)
cross join lateral (
    select s.id, s.metric_id, s.region, s.seq, s.labels
    from series s
    where s.metric_id = m.id and s.region = w.region and s.seq > w.after
    order by s.seq
) s
where $3::text[] is null or m.name = any($3::text[])
