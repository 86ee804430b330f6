-- late_count: $2 more samples came too late for closed windows of flow $1, and $3 is the
-- stretches of windows that may lack some. Gives how many windows with a group are noted of
-- it now. The row is locked by the round that writes this (I4).
update flow set late_samples = late_samples + $2::bigint, late_stretches = $3::bigint[]
where id = $1::integer
returning late_noted
