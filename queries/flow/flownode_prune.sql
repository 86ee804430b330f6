-- flownode_prune: forgets flownodes that have not been seen for a day. The table has a
-- row for each process.
delete from flownode where seen_at < clock_timestamp() - interval '1 day'
