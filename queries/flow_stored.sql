-- flow_stored: flow $1 as it stands, for who only looks at it; see flow_take.
select table_schema, epoch, definition, vector, flushes, coalesce(emitted_until, -1), coalesce(newest_t, -1),
    coalesce(newest_at, -1), coalesce(watermark, -1), coalesce(begins_after, emitted_until, -1), coalesce(error, '')
from flow where id = $1::integer
