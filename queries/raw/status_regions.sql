-- status_regions: every region with its position and the time of its last flush.
select r.id, r.last_seq, r.generation, coalesce((extract(epoch from f.committed_at) * 1000)::bigint, -1)
from region r left join flush f on f.region = r.id and f.seq = r.last_seq
order by r.id
