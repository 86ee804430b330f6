-- status_storage: sizes of the raw data, from PostgreSQL's own statistics where
-- counting would read it all. Hot and sealed in bytes with indexes and TOAST;
-- segments as estimated by the last analyze, or as counted by those who have written
-- since, which a table that was never analyzed has too; series as estimated, once there
-- was an analyze.
with hot as (
    select c.oid, greatest(c.reltuples, pg_stat_get_live_tuples(c.oid)) as segments from generation g
    join pg_class c on c.relname = 'hot_' || g.id and c.relnamespace = current_schema()::regnamespace
    where g.state in ('current', 'frozen')
), sealed_part as (
    select c.oid, greatest(c.reltuples, pg_stat_get_live_tuples(c.oid)) as segments from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = to_regclass('sealed')
)
select (select count(*) from generation where state in ('current', 'frozen')),
       (select coalesce(sum(pg_total_relation_size(oid)), 0) from hot)::bigint,
       (select coalesce(sum(segments), 0) from hot)::bigint,
       (select count(*) from sealed_part),
       (select coalesce(sum(pg_total_relation_size(oid)), 0) from sealed_part)::bigint,
       (select coalesce(sum(segments), 0) from sealed_part)::bigint,
       (select case when reltuples > 0 then reltuples::bigint else (select count(*) from series) end from pg_class where oid = to_regclass('series')),
       (select count(*) from metric),
       coalesce((select earliest_t from retention), 0),
       coalesce((select (extract(epoch from created_at) * 1000)::bigint from generation where state = 'current'), -1)
