-- read_raw_sealed: the sealed segments of the metrics $1 in the regions $2 that
-- overlap ($3, $4] ms and, unless $5 is null, one of the spans ($5[i], $6[i]]
-- ms, ascending by largest sequence within a region and
-- metric: sealed segments of one region, metric and bucket have disjoint
-- sequence ranges (or come from one merge and share no sample), so of two
-- samples of one series and time the newer comes later.
-- Partitions are pruned by bucket; within one the index (metric_id, region,
-- max_seq) gives the order. Samples are packed, or arrays in what was sealed
-- before there were packed segments.
select s.*
from unnest($1::integer[]) as m(id)
cross join unnest($2::integer[]) as w(region)
cross join lateral (
    select s.region, s.metric_id, s.min_seq, s.max_seq, false as ordered, s.has_stale,
           s.base_t, s.min_t, s.max_t, s.series_ids, s.offsets, s.vals, s.histograms, s.packed, s.samples
    from sealed s
    where s.metric_id = m.id and s.region = w.region
      and s.max_t > $3::bigint and s.min_t <= $4::bigint
      and ($5::bigint[] is null or exists (
          select from unnest($5::bigint[], $6::bigint[]) as t(after, up_to) where s.max_t > t.after and s.min_t <= t.up_to))
      and s.bucket > $3::bigint - 86400000 and s.bucket <= $4::bigint
    order by s.max_seq
) s
