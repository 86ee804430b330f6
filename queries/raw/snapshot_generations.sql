-- snapshot_generations: the generations whose hot tables a reader starting now
-- may need. A reader locks hot_<id> for each of them before it takes its
-- snapshot, and compares with what the snapshot then says.
select coalesce(array_agg(id order by id), '{}') from generation where state in ('current', 'frozen')
