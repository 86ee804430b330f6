-- unused_readers: for each table that has become unused, note the transactions
-- that run now, in this database and other than ours: only they can have a
-- snapshot that is old enough to need it. pg_locks shows them to every role;
-- pg_stat_activity shows the snapshots of other roles to superusers only.
-- A hot table that became unused in the future, by a clock that was ahead then, did so
-- now: else it would be kept until the clock is there. A partition keeps its time, as its
-- grace is a person's to take back in, and must not end early by a clock that is behind.
update unused_table set
    readers = coalesce(readers, (
        select array_agg(l.virtualxid)
        from pg_locks l
        where l.locktype = 'virtualxid' and l.granted and l.pid <> pg_backend_pid()
          and not exists (select from pg_stat_activity a where a.pid = l.pid and a.datname <> current_database())
    ), '{}'),
    since = case when starts_with(name, 'sealed_') then since else least(since, db_clock()) end
where readers is null or since > db_clock() and not starts_with(name, 'sealed_')
