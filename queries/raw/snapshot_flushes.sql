-- snapshot_flushes: which flush took sequence $2[i] of region $1[i]; no row
-- where that flush is not known. Reads by the primary key of flush.
select f.region, f.seq, f.id
from unnest($1::integer[], $2::bigint[]) as w(region, seq)
join flush f on f.region = w.region and f.seq = w.seq
