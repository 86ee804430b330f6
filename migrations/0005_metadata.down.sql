drop view if exists metric_metadata;
drop table metadata;
