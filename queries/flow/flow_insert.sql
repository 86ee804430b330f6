-- flow_insert: a new flow: name $1, static labels $2, definition $3 and its
-- hash $4, fence group $5, result table $6, step $7 and window length $8 in ms,
-- title $14, schema $15 of the table, what only its rows have there $16, and rule
-- number $18, 0 for none.
-- It starts at vector $9, which the flushes $10 took, and where it has a
-- backfill with emitted_until $11, newest sample $12 seen at $13, and watermark
-- $17, which says how far the backfill has to go (ms; -1 for not known).
insert into flow (name, static_labels, definition, definition_hash, fence_group, table_name, step, window_length,
    vector, flushes, emitted_until, newest_t, newest_at, watermark, title, table_schema, own_columns, rule_number, lineage)
values ($1::text, $2::text::jsonb, $3::text::jsonb, $4::bytea, $5::text, $6::text, $7::bigint, $8::bigint,
    $9::text::jsonb, $10::text::jsonb, nullif($11::bigint, -1), nullif($12::bigint, -1), nullif($13::bigint, -1), nullif($17::bigint, -1),
    $14::text, $15::text, $16::text::jsonb, $18::smallint, nullif(db_lineage(), ''))
returning id
