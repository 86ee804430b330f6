-- flow_lock: locks the flows $1 until the end of the transaction, in id order, so that two
-- transactions cannot wait for each other, and gives their positions in the change log. Who writes to a table that rules share locks
-- all of these: which row stands depends on the rows of all (see flow_fence for the kind
-- of lock).
select id, position from flow where id = any($1::integer[]) order by id for no key update
