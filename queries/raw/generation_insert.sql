-- generation_insert: make generation $1 the current one. Its hot table is there
-- before any flush can see its number. The index generation_one_current
-- refuses a second one.
insert into generation (id) values ($1::integer)
