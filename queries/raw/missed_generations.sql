-- missed_generations: the generations that still have exact sequences, and the
-- last sequence of region $1 that is sealed, 0 when none is. Up to there every
-- sequence is sealed, because generations are sealed oldest first.
select coalesce(array_agg(id order by id) filter (where state in ('current', 'frozen')), '{}'),
       coalesce(max((frozen_vector ->> ($1::integer)::text)::bigint) filter (where state in ('sealed', 'dropped')), 0)
from generation
