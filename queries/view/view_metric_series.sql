-- metric_series: how many series each metric has, and how many of them were created
-- in the last hour. Reads all of the index series (metric_id, region, seq), and for the
-- last hour a stretch of it for each metric and region.
create or replace view metric_series as
with since as (
    select r.id as region, coalesce((select min(f.seq) from flush f
                                     where f.region = r.id and f.committed_at > db_clock() - interval '1 hour'), r.last_seq + 1) as seq
    from region r
)
select m.name as metric, n.series,
       (select count(*) from since w cross join lateral (
            select from series s where s.metric_id = n.metric_id and s.region = w.region and s.seq >= w.seq) x) as created_last_hour
from (select metric_id, count(*) as series from series group by metric_id) n
join metric m on m.id = n.metric_id
