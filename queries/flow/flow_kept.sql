-- flow_kept: where flow $1 has its results, how it is defined, and the newest time, ms, that
-- both its samples and the database's clock have reached; null before it has read a sample.
-- Locks the flow until the end of the transaction (see flow_fence for the kind of lock): no
-- round writes meanwhile, and nobody gives it another table.
select table_schema, definition, case when newest_t >= 0 and newest_at >= 0 then least(newest_t, newest_at) end
from flow where id = $1::integer for no key update
