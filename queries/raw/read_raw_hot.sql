-- read_raw_hot: the hot segments of the metrics $1 in the regions $2 that
-- overlap ($3, $4] ms and, unless $5 is null, one of the spans ($5[i], $6[i]]
-- ms, ascending by (sequence, segment) within a region and
-- metric. hot_template stands for the unsealed generations' tables; all of
-- them are newer than what is sealed, because generations are sealed oldest
-- first.
select h.*
from unnest($1::integer[]) as m(id)
cross join unnest($2::integer[]) as w(region)
cross join lateral (
    select h.region, h.metric_id, h.seq as min_seq, h.seq as max_seq, h.ordered, h.has_stale,
           h.base_t, h.min_t, h.max_t, h.series_ids, h.offsets, h.vals, h.histograms, h.packed, h.samples
    from hot_template h
    where h.metric_id = m.id and h.region = w.region
      and h.max_t > $3::bigint and h.min_t <= $4::bigint
      and ($5::bigint[] is null or exists (
          select from unnest($5::bigint[], $6::bigint[]) as t(after, up_to) where h.max_t > t.after and h.min_t <= t.up_to))
    order by h.seq, h.segment
) h
