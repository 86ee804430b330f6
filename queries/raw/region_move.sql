-- region_move: let the next flush of every region write to generation $1. Runs
-- with all regions locked.
update region set generation = $1::integer
