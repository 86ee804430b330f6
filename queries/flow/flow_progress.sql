-- flow_progress: the new progress of the flows $1, which flow_fence has locked.
-- Times in ms, -1 for not known. Where results begin is written once and stays.
-- $10 is their positions in the change log; $11 their sources, '' for none.
-- No indexed column changes and pages are half empty (fillfactor), so the
-- update stays on its page.
update flow f
set vector = r.vector::jsonb, flushes = r.flushes::jsonb,
    emitted_until = nullif(r.emitted_until, -1), newest_t = nullif(r.newest_t, -1),
    newest_at = nullif(r.newest_at, -1), watermark = nullif(r.watermark, -1),
    begins_after = coalesce(f.begins_after, nullif(r.begins_after, -1)),
    error = nullif(r.error, ''), position = r.position, sources = nullif(r.sources, '')::jsonb, updated_at = db_clock()
from unnest($1::integer[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::bigint[],
    $10::bigint[], $11::text[]) as r(id, vector, flushes, emitted_until, newest_t, newest_at, watermark, error, begins_after, position, sources)
where f.id = r.id
