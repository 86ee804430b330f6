-- flow_regroup: puts flow $1 into fence group $2, with the definition $3 that
-- says so. Nothing of its results changes.
update flow set fence_group = $2::text, definition = $3::text::jsonb, updated_at = clock_timestamp() where id = $1::integer
