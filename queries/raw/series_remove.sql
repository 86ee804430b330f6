-- series_remove: delete those of the series $2 that are of region $1, whose row is
-- locked: no flush of the region is under way, and each that comes reads of it.
delete from series where region = $1::integer and id = any($2::integer[]) returning id
