-- notice_drop: forgets what is of no use to be told any more: notices of windows that
-- ended, or of corrections that were noted, more than $1 ms ago, and the oldest beyond $2
-- of them. Returns how many went.
with gone as (
    delete from alert_notice
    where case when corrected then noted_at else to_timestamp(window_end / 1000.0) end < clock_timestamp() - $1::bigint * interval '1 millisecond'
       or id <= (select id from alert_notice order by id desc offset $2::integer limit 1)
    returning 1
)
select count(*) as gone from gone
