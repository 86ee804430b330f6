-- metadata_find: what senders say of the metrics $1, those they describe, by
-- the unique index on metric.
select metric, type, help, unit from metric_metadata
where metric = any($1::text[])
order by metric collate "C"
