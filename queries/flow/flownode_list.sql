-- flownode_list: all flownodes, when they were last seen, and
-- since when the one that has the lease $1 leads: null for the others, and for all
-- while nobody leads. Alive is whoever was seen within $2 ms.
select f.id, f.name, coalesce(f.address, ''), f.started_at, f.seen_at,
       f.seen_at > clock_timestamp() - $2::bigint * interval '1 millisecond' as alive,
       case when l.renewed_at > clock_timestamp() - $2::bigint * interval '1 millisecond' then l.taken_at end as leads_since
from flownode f
left join lease l on l.purpose = $1 and l.owner = f.id
order by f.started_at, f.id
