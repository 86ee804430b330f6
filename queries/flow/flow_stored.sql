-- flow_stored: flow $1 as it stands, for who only looks at it; see flow_take.
-- Its table may not be there: the flownode makes it.
select table_schema, to_regclass(format('%I.%I', table_schema, table_name)) is not null as has_table, epoch, definition, vector, flushes, coalesce(emitted_until, -1), coalesce(newest_t, -1),
    coalesce(newest_at, -1), coalesce(watermark, -1), coalesce(begins_after, emitted_until, -1), coalesce(error, ''), coalesce(sources, '[]')
from flow where id = $1::integer
