-- session_settings: what every session of the store runs with. $1: search_path.
-- synchronous_commit is on, or what is stronger (I2). A session that is lost or
-- hangs while it holds a region's row is ended by the server, so the keepalives
-- and the limit on idle transactions: nobody else could write to the region.
-- Time limits of the role or the database are for people's sessions. A policy that
-- hides rows from Laminar's role is an error and not a table with fewer rows.
select set_config('search_path', $1::text, false),
       set_config('timezone', 'UTC', false),
       set_config('synchronous_commit',
           case current_setting('synchronous_commit') when 'remote_apply' then 'remote_apply' else 'on' end, false),
       set_config('default_transaction_isolation', 'read committed', false),
       set_config('statement_timeout', '0', false),
       set_config('lock_timeout', '0', false),
       set_config('idle_in_transaction_session_timeout', '60s', false),
       set_config('tcp_keepalives_idle', '10', false),
       set_config('tcp_keepalives_interval', '5', false),
       set_config('tcp_keepalives_count', '3', false),
       set_config('row_security', 'off', false),
       set_config('client_min_messages', 'warning', false)
