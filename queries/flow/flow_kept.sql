-- flow_kept: where flow $1 has its results, how it is defined, and by which times, ms, it
-- keeps them: its newest sample, when that came, its last closed window; -1 for not known.
-- Locks the flow until the end of the transaction (see flow_fence for the kind of lock): no
-- round writes meanwhile, and nobody gives it another table.
select table_schema, definition, coalesce(newest_t, -1), coalesce(newest_at, -1), coalesce(emitted_until, -1)
from flow where id = $1::integer for no key update
