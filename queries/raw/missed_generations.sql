-- missed_generations: the generations that still have exact sequences; the last
-- sequence of region $1 that is sealed, 0 when none is (up to there every
-- sequence is sealed, because generations are sealed oldest first); how many
-- flushes of the sequences ($2, $3] are remembered; and the series that these have
-- removed. Reads by the primary key of flush.
select coalesce(array_agg(id order by id) filter (where state in ('current', 'frozen')), '{}'),
       coalesce(max((frozen_vector ->> ($1::integer)::text)::bigint) filter (where state in ('sealed', 'dropped')), 0),
       (select count(*) from flush f where f.region = $1::integer and f.seq > $2::bigint and f.seq <= $3::bigint),
       coalesce((select array_agg(r.id) from flush f cross join unnest(f.removed_series) as r(id)
                 where f.region = $1::integer and f.seq > $2::bigint and f.seq <= $3::bigint and f.removed_series is not null), '{}')
from generation
