-- hot_table_create: the table of a new generation; hot_new stands for its name.
-- Rows are only inserted and the table is dropped within hours, so vacuuming it
-- would be work for nothing; analyze still runs.
create table if not exists hot_new (like hot_template including all)
with (autovacuum_vacuum_insert_threshold = -1, toast.autovacuum_vacuum_insert_threshold = -1)
