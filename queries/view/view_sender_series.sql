-- sender_series: how many series each sender has brought that were new: in this hour
-- of the database's clock and the one before, in as many as make a day, and in a week.
create or replace view sender_series as
select s.sender,
       coalesce(sum(s.created) filter (where s.hour > x.now_ms - 2 * 3600000::bigint), 0)::bigint as created_last_hour,
       coalesce(sum(s.created) filter (where s.hour > x.now_ms - 24 * 3600000::bigint), 0)::bigint as created_last_day,
       sum(s.created)::bigint as created_last_week
from series_sender s, (select (extract(epoch from db_clock()) * 1000)::bigint as now_ms) x
where s.hour > x.now_ms - 7 * 86400000::bigint
group by s.sender
