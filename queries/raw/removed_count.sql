-- removed_count: $1 more series have been removed. In the transaction that removes
-- them, so that a snapshot that sees the number does not see the series.
update retention set removed_series = removed_series + $1::bigint
