-- flow_fence: of the flows $1, those that still are where the caller thinks:
-- at epoch $2[i] and vector $3[i], with their positions in the change log and
-- how far they have emitted (ms). The others have another owner (I4).
-- Their rows stay locked until the end of the transaction, so from here on
-- nobody moves them; the update with the new progress comes last, because it
-- must leave out flows whose results could not be written. Locked in id order,
-- so two transactions cannot wait for each other. FOR NO KEY UPDATE lets jobs
-- and dirty windows refer to the flow meanwhile.
select f.id, f.position, coalesce(f.emitted_until, -1)
from unnest($1::integer[], $2::bigint[], $3::text[]) as r(id, epoch, vector)
join flow f on f.id = r.id
where f.epoch = r.epoch and f.vector = r.vector::jsonb
order by f.id
for no key update of f
