-- change_position: moves the flows $1 to the positions $2. Their rows are locked (I4).
update flow f set position = r.position
from unnest($1::integer[], $2::bigint[]) as r(id, position)
where f.id = r.id
