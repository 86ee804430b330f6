-- change_there: whether the table $2 in schema $1, which is locked, is the one that the
-- snapshot shows, with its rows; null when the snapshot shows none. Dropping and emptying
-- a table does not respect snapshots: what to_regclass and pg_relation_filenode tell is
-- the state now, and pg_class the state in the snapshot.
select (select c.oid = to_regclass(format('%I.%I', $1::text, $2::text)) and c.relfilenode = pg_relation_filenode(c.oid)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = $1::text and c.relname = $2::text)
