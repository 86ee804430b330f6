-- freeze_regions: lock all regions, in the order of their ids, as every
-- transaction does that holds more than one (I1), and read where they stand.
select id, last_seq from region order by id for update
