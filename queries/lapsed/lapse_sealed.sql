-- lapse_sealed: which series each sealed segment holds, null where it does not say. Reads
-- all partitions, but of each row only this column: samples stand apart, in TOAST.
select held_series from sealed
