-- lapse_regions: lock all regions, in the order of their ids (I1), so that no series is
-- created.
select id from region order by id for update
