-- metadata_all: what senders say of all metrics, by the unique index on metric.
select metric, type, help, unit from metric_metadata
order by metric collate "C"
