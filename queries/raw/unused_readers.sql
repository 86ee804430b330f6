-- unused_readers: for each table that has become unused, note the transactions
-- that run now, in this database and other than ours: only they can have a
-- snapshot that is old enough to need it. pg_locks shows them to every role;
-- pg_stat_activity shows the snapshots of other roles to superusers only.
update unused_table set readers = coalesce((
    select array_agg(l.virtualxid)
    from pg_locks l
    where l.locktype = 'virtualxid' and l.granted and l.pid <> pg_backend_pid()
      and not exists (select from pg_stat_activity a where a.pid = l.pid and a.datname <> current_database())
), '{}')
where readers is null
