-- flow_commits: when the flushes ($2[i], $3[i]] of region $1[i] committed, ms by the
-- database's clock. Those that were pruned have no row. Reads by the primary key of flush.
select f.region, f.seq, (extract(epoch from f.committed_at) * 1000)::bigint
from unnest($1::integer[], $2::bigint[], $3::bigint[]) as w(region, after, upto)
join flush f on f.region = w.region and f.seq > w.after and f.seq <= w.upto
