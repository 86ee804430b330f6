-- flow_regroup: puts flow $1 into fence group $2, with the definition $3 that
-- says so, and how it is computed; with the title $4, the rule number $5, and what only
-- its rows have in its table $6. Nothing of its results changes;
-- but who follows them must read the table anew where other columns tell its rows.
-- The higher epoch makes its owner load it again. That of a flow that nobody
-- has taken over yet stays 0: flow wait tells by it.
update flow set fence_group = $2::text, definition = $3::text::jsonb, title = $4::text, rule_number = $5::smallint, own_columns = $6::text::jsonb,
    incarnation = case when rule_number <> $5::smallint or own_columns <> $6::text::jsonb then gen_random_uuid() else incarnation end,
    epoch = case when epoch > 0 then epoch + 1 else 0 end, updated_at = db_clock()
where id = $1::integer
