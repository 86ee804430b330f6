-- segment_infos: every segment of the metrics $1 that may hold samples after
-- sequence $3[i] of region $2[i]; ordered hot ones of a metric and region as if
-- they were one: a busy second has thousands. Of a sealed segment only the
-- largest sequence is certain to count: it may reach back before the position.
-- hot_template stands for the unsealed generations' tables.
-- packed is how many of the samples are not arrays; bytes is what they take when they
-- are read: an array's elements are sent with their lengths, 8 + 8 + 12 bytes a
-- sample, and octet_length of what is compressed decompresses nothing.
-- Reads by the indexes hot (metric_id, region, seq) and sealed (metric_id,
-- region, max_seq); no sample is touched. The lateral subqueries, which have an
-- order, are planned by themselves and so always read by the index.
select w.region, i.min_seq, i.max_seq, m.id as metric_id, i.ordered, i.sealed, i.min_t, i.max_t, i.samples,
       i.packed, i.bytes, i.segments
from unnest($1::integer[]) as m(id)
cross join unnest($2::integer[], $3::bigint[]) as w(region, after)
cross join lateral (
    select min(h.seq) as min_seq, max(h.seq) as max_seq, h.ordered, false as sealed,
           min(h.min_t) as min_t, max(h.max_t) as max_t, sum(h.samples) as samples,
           sum(h.packed)::bigint as packed, sum(h.bytes)::bigint as bytes, count(*) as segments
    from (
        select h.seq, h.segment, h.ordered, h.min_t, h.max_t, h.samples,
               case when h.packed is null then 0 else h.samples end as packed, coalesce(octet_length(h.packed), 28::bigint * h.samples) as bytes
        from hot_template h
        where h.metric_id = m.id and h.region = w.region and h.seq > w.after
        order by h.seq
    ) h
    group by h.ordered, case when not h.ordered then h.seq end, case when not h.ordered then h.segment end
) i
union all
select s.region, s.min_seq, s.max_seq, s.metric_id, false, true, s.min_t, s.max_t, s.samples,
       s.packed, s.bytes, 1::bigint
from unnest($1::integer[]) as m(id)
cross join unnest($2::integer[], $3::bigint[]) as w(region, after)
cross join lateral (
    select s.region, s.min_seq, s.max_seq, s.metric_id, s.min_t, s.max_t, s.samples,
           case when s.packed is null then 0 else s.samples end::bigint as packed, coalesce(octet_length(s.packed), 28::bigint * s.samples) as bytes
    from sealed s
    where s.metric_id = m.id and s.region = w.region and s.max_seq > w.after
    order by s.max_seq
) s
