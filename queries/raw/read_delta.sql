-- read_delta: the hot segments of the metrics $1 in the sequences
-- ($3[i], $4[i]] of region $2[i], ascending by (sequence, segment) within a
-- region and metric. $5: null for all, else only (un)ordered ones.
-- hot_template stands for the unsealed generations' tables.
-- The lateral subquery keeps its own order, which the index hot (metric_id,
-- region, seq) gives almost for free: segments stream, nothing is sorted as a
-- whole.
select h.*
from unnest($1::integer[]) as m(id)
cross join unnest($2::integer[], $3::bigint[], $4::bigint[]) as w(region, after, upto)
cross join lateral (
    select h.region, h.metric_id, h.seq as min_seq, h.seq as max_seq, h.ordered, h.has_stale,
           h.base_t, h.min_t, h.max_t, h.series_ids, h.offsets, h.vals, h.histograms, h.packed, h.samples
    from hot_template h
    where h.metric_id = m.id and h.region = w.region and h.seq > w.after and h.seq <= w.upto
      and ($5::boolean is null or h.ordered = $5::boolean)
    order by h.seq, h.segment
) h
