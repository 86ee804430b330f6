-- ha_elections: which replica of each pair of senders is listened to, since when, and when
-- its data last came (ms), by cluster; at most $1.
select cluster, replica, (extract(epoch from elected_at) * 1000)::bigint, (extract(epoch from seen_at) * 1000)::bigint
from ha_election
order by cluster
limit $1::integer
