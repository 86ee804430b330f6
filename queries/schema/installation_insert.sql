-- installation_insert: the one row that fixes the number of regions, $1. Does
-- nothing when it is there; a second process waits here for the first.
insert into installation (regions) values ($1::integer) on conflict do nothing
