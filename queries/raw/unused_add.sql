-- unused_add: the tables $1 are not read by any snapshot that is taken after
-- this commits.
insert into unused_table (name, since) select unnest($1::text[]), db_clock() on conflict do nothing
