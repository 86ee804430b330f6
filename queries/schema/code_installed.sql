-- code_installed: remember the hash $1 of the views and functions, in the
-- transaction that makes them.
insert into installed_code (sha256) values ($1::bytea)
on conflict (only_row) do update set sha256 = excluded.sha256
