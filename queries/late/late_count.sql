-- late_count: $2 more samples came too late for closed windows of flow $1. The row is
-- locked by the round that writes this (I4).
update flow set late_samples = late_samples + $2::bigint where id = $1::integer
