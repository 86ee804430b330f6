-- census_senders: the $1 senders that have brought most new series.
select sender, created_last_hour, created_last_day, created_last_week from sender_series
order by created_last_hour desc, created_last_day desc, created_last_week desc, sender collate "C" limit $1::integer
