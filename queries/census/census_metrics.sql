-- census_metrics: the $1 metrics with most series.
select metric, series, created_last_hour from metric_series order by series desc, metric collate "C" limit $1::integer
