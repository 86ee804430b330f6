-- partition_create: a table for one time bucket, not attached yet; sealed_new
-- stands for its name. Made standalone because CREATE TABLE ... PARTITION OF
-- would lock out every reader of sealed. Rows are only inserted, so the vacuum
-- that follows inserts freezes them at once: no later one has to read them.
create table sealed_new (like sealed including all)
with (autovacuum_freeze_min_age = 0, toast.autovacuum_freeze_min_age = 0)
