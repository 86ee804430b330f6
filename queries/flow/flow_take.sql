-- flow_take: makes the caller the owner of flow $1: raising the epoch fences
-- whoever owned it before (I4). A backfill begins where it has emitted to.
update flow set epoch = epoch + 1, updated_at = db_clock()
where id = $1::integer
returning name, table_schema, epoch, definition, vector, flushes, coalesce(emitted_until, -1), coalesce(newest_t, -1),
    coalesce(newest_at, -1), coalesce(watermark, -1), coalesce(begins_after, emitted_until, -1), coalesce(error, '')
