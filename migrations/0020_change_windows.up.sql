-- What one commit changed of several windows in the same rows is one entry of the change
-- log: a late sample changes one row of each window that it falls into.
alter table flow_change add column more bigint[]; -- ends of further windows, ms, of which keys are true as well; no two entries of a position have one in common
