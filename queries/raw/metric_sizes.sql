-- metric_sizes: the $1 metrics whose samples take most bytes: name, series, samples, bytes of
-- the packed samples (28 a sample where they are arrays) and segments.
-- hot_template stands for the unsealed generations' tables. Reads the metadata of every
-- segment, which is one scan of the tables without what is stored out of line.
select m.name, (select count(*) from series s where s.metric_id = x.metric_id), x.samples, x.bytes, x.segments
from (
    select u.metric_id, sum(u.samples)::bigint as samples, sum(u.bytes)::bigint as bytes, count(*) as segments
    from (
        select h.metric_id, h.samples, coalesce(octet_length(h.packed), 28::bigint * h.samples) as bytes from hot_template h
        union all
        select s.metric_id, s.samples, coalesce(octet_length(s.packed), 28::bigint * s.samples) from sealed s
    ) u
    group by u.metric_id
    order by 3 desc, 1
    limit $1::integer
) x
join metric m on m.id = x.metric_id
order by x.bytes desc, m.name
