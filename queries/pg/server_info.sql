-- server_info: what a server must be, and what is worth a warning.
select current_setting('server_version_num')::integer,
       current_setting('server_version'),
       current_setting('fsync')::boolean,
       current_database()::text,
       current_user::text,
       getdatabaseencoding()::text,
       pg_is_in_recovery(),
       -- The setting is listed since version 14; its values are what the server was built with.
       exists (select from pg_settings where name = 'default_toast_compression' and 'lz4' = any(enumvals))
