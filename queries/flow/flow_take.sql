-- flow_take: makes the caller the owner of flow $1: raising the epoch fences
-- whoever owned it before (I4). A backfill begins where it has emitted to.
-- Where the database was restored, or is what was a standby, since the flow was taken
-- last, commits that others have read may be gone: so begins another incarnation; and where
-- a version that knows nothing of that has made it and taken it.
update flow f set epoch = f.epoch + 1, updated_at = db_clock(), lineage = coalesce(nullif(now.lineage, ''), f.lineage),
    incarnation = case when now.lineage <> '' and f.lineage is distinct from now.lineage then gen_random_uuid() else f.incarnation end
from (select db_lineage() as lineage) now
where f.id = $1::integer
returning f.name, f.table_schema, f.epoch, definition, vector, flushes, coalesce(emitted_until, -1), coalesce(newest_t, -1),
    coalesce(newest_at, -1), coalesce(watermark, -1), coalesce(begins_after, emitted_until, -1), coalesce(error, ''), coalesce(sources, '[]')
