-- generation_drop: the hot table $1 of a sealed generation has been dropped.
update generation set state = 'dropped', dropped_at = clock_timestamp()
where state = 'sealed' and 'hot_' || id = $1::text
