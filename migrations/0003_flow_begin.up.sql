-- Where a flow's results begin, so that they can be checked: of windows before
-- that only those exist that a late sample or a refill touched.
alter table flow add column begins_after bigint; -- ms: windows with an end after it are all in the table; null before the first sample

-- Of flows that are there already nobody knows any more.
update flow set begins_after = emitted_until;
