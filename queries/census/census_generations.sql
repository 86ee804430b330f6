-- census_generations: the generations that have a hot table, oldest first: id, state, when
-- it was begun (ms), bytes of the table with indexes and TOAST, and its segments as
-- estimated by the last analyze or counted by those who have written since.
select g.id, g.state, (extract(epoch from g.created_at) * 1000)::bigint,
       coalesce(pg_total_relation_size(c.oid), 0), greatest(c.reltuples, pg_stat_get_live_tuples(c.oid))::bigint
from generation g
join pg_class c on c.relname = 'hot_' || g.id and c.relnamespace = current_schema()::regnamespace
where g.state in ('current', 'frozen')
order by g.id
